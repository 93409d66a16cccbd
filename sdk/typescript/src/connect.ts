/** The browser's way in: one session, by a client token. */
import { ClientSession } from './client-session.js'
import { type ConnectionOptions, Http } from './http.js'

/** Which session, and what opens it. */
export interface ConnectSessionOptions extends ConnectionOptions {
  /** The session's id. */
  sessionId: string
  /** A token for it: from `session.clientToken` or `session.mintClientToken()`. */
  clientToken: string
}

/** A session to read and steer. Nothing is sent until it is used. */
export async function connectSession(options: ConnectSessionOptions): Promise<ClientSession> {
  const { sessionId, clientToken } = options
  return new ClientSession(new Http(clientToken, options), sessionId, clientToken)
}
