/**
 * The product in one page: an agent, a session, its events, a word in between.
 * It needs OPENCOMPUTER_API_KEY, and OPENCOMPUTER_API_URL if the server is not
 * the local one.
 */
import { OpenComputer } from '@opencomputer/sdk'

const oc = new OpenComputer()

const agent = await oc.agents.create({
  name: 'coder',
  model: 'claude-opus-4-8',
  prompt: 'You are a careful engineer.',
  runtime: 'native'
})

const session = await oc.sessions.start({
  agent: agent.id,
  input: 'Write a script that prints the first 20 primes, and run it.'
})

for await (const e of oc.sessions.stream(session.id)) {
  console.log(e.seq, e.type)
}

await oc.sessions.send(session.id, 'Now the first 40.')

for await (const e of oc.sessions.stream(session.id, { after: session.snapshot.head ?? 0 })) {
  if (e.type === 'agent.message') console.log(e.body.text)
}
