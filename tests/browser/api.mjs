/** The few calls the test makes itself, straight to the server with the API key. */
import assert from 'node:assert/strict'

/** The v3 API at this address. */
export function api(url, key) {
  const call = async (method, path, body) => {
    const response = await fetch(`${url}/v3${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body)
    })
    const answer = await response.json()
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer
  }
  return {
    /** A session of a fresh agent that plays these replies. */
    async session(...replies) {
      const name = `browser-${Date.now()}-${Math.floor(Math.random() * 1e6)}`
      const agent = await call('POST', '/agents', { name, prompt: 'Rehearse.', model: 'test/script' })
      const input = `Rehearse.\n@steps\n${JSON.stringify(replies)}`
      const { session, client_token: token } = await call('POST', '/sessions', { agent: agent.id, input })
      return { id: session.id, token }
    },
    /** The log as it is. */
    async seqs(id, query) {
      return (await call('GET', `/sessions/${id}/events?${query}`)).data.map(({ seq }) => seq)
    }
  }
}
