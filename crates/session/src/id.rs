//! Ids: a prefix that tells the noun, an underscore, an opaque suffix.
//!
//! Root nouns (session, agent, …) take their suffix from random bytes the
//! caller brings. What belongs to a session (events, turns) is named from the
//! session and its number: the same facts give the same ids on every node and
//! after every crash, and an event is found by its id without an index.
//! Clients treat all of them as opaque.

/// What an id names, by its prefix on the wire (contract v3 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// An organisation, the owner of everything else.
    Org,
    /// An API key.
    Key,
    /// An agent.
    Agent,
    /// A frozen revision of an agent.
    Revision,
    /// A session.
    Session,
    /// A model credential.
    Credential,
    /// A node of the server.
    Node,
    /// One HTTP request.
    Request,
    /// A checkpoint of a sandbox's files.
    Checkpoint,
    /// A named store of secrets.
    SecretStore,
    /// A secret in a store.
    Secret,
    /// An address that starts sessions of an agent.
    Hook,
    /// A receiver of a session's webhooks.
    Destination,
    /// What begins sessions of an agent at set times.
    Schedule,
    /// One firing of a schedule.
    Run,
}

impl Noun {
    /// The prefix, without the underscore.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Key => "key",
            Self::Agent => "agt",
            Self::Revision => "rev",
            Self::Session => "ses",
            Self::Credential => "cred",
            Self::Node => "node",
            Self::Request => "req",
            Self::Checkpoint => "ckp",
            Self::SecretStore => "sst",
            Self::Secret => "sec",
            Self::Hook => "hk",
            Self::Destination => "dst",
            Self::Schedule => "sch",
            Self::Run => "srn",
        }
    }

    /// An id of this noun from twelve random bytes: 24 lowercase hex digits,
    /// which is what the hostname form of an agent id needs.
    #[must_use]
    pub fn id(self, random: [u8; 12]) -> String {
        let mut id = String::with_capacity(self.prefix().len() + 25);
        id.push_str(self.prefix());
        id.push('_');
        for byte in random {
            id.push(hex(byte >> 4));
            id.push(hex(byte & 15));
        }
        id
    }
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// The id of the event with number `seq` in `session`.
#[must_use]
pub fn event(session: &str, seq: u64) -> String {
    format!("evt_{}_{seq}", suffix(session))
}

/// The number that [`event`] put into an id, if `id` names an event of
/// `session`; `None` for any other text.
#[must_use]
pub fn event_seq(session: &str, id: &str) -> Option<u64> {
    numbered("evt_", session, id)
}

/// The id of turn `number` (from 1) of `session`.
#[must_use]
pub fn turn(session: &str, number: u32) -> String {
    format!("trn_{}_{number}", suffix(session))
}

/// The number that [`turn`] put into an id, if `id` names a turn of `session`.
#[must_use]
pub fn turn_number(session: &str, id: &str) -> Option<u32> {
    numbered("trn_", session, id).and_then(|n| u32::try_from(n).ok())
}

/// The id of the delivery of the event with number `seq` to `destination`.
#[must_use]
pub fn delivery(destination: &str, seq: u64) -> String {
    format!("dlv_{}_{seq}", suffix(destination))
}

/// The destination and the number that [`delivery`] put into an id; `None` for any
/// other text.
#[must_use]
pub fn delivery_of(id: &str) -> Option<(String, u64)> {
    let (suffix, _) = id.strip_prefix("dlv_")?.rsplit_once('_')?;
    let destination = format!("{}_{suffix}", Noun::Destination.prefix());
    let seq = numbered("dlv_", &destination, id)?;
    Some((destination, seq))
}

/// The session that an event's or a turn's id names, and the number in it. The
/// facts before a fork keep the ids of the session they were written in.
#[must_use]
pub fn origin(id: &str) -> Option<(String, u64)> {
    let (_, rest) = id.split_once('_')?;
    let (suffix, _) = rest.rsplit_once('_')?;
    let session = format!("{}_{suffix}", Noun::Session.prefix());
    let prefix = ["evt_", "trn_"].into_iter().find(|p| id.starts_with(p))?;
    let number = numbered(prefix, &session, id)?;
    Some((session, number))
}

fn suffix(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, suffix)| suffix)
}

fn numbered(prefix: &str, session: &str, id: &str) -> Option<u64> {
    let digits = id
        .strip_prefix(prefix)?
        .strip_prefix(suffix(session))?
        .strip_prefix('_')?;
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if canonical { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_id_is_prefix_and_24_hex_digits() {
        let id = Noun::Agent.id([0xab; 12]);
        assert_eq!(id, "agt_abababababababababababab");
        assert_eq!(Noun::Session.id([0x0f; 12]), "ses_0f0f0f0f0f0f0f0f0f0f0f0f");
    }

    #[test]
    fn event_and_turn_ids_read_back_only_in_their_session() {
        let (a, b) = (Noun::Session.id([1; 12]), Noun::Session.id([2; 12]));
        for n in [1u32, 9, 10, 12_345] {
            assert_eq!(event_seq(&a, &event(&a, n.into())), Some(n.into()));
            assert_eq!(turn_number(&a, &turn(&a, n)), Some(n));
            assert_eq!(event_seq(&b, &event(&a, n.into())), None);
            assert_eq!(turn_number(&a, &event(&a, n.into())), None);
        }
    }

    #[test]
    fn an_id_tells_where_it_was_first_written() {
        let session = Noun::Session.id([7; 12]);
        assert_eq!(origin(&event(&session, 12)), Some((session.clone(), 12)));
        assert_eq!(origin(&turn(&session, 3)), Some((session.clone(), 3)));
        for bad in [
            "", "evt_", "evt_1", "ses_a_1", "evt_a_01", "evt_a_x", &session,
        ] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_delivery_s_id_tells_destination_and_event() {
        let to = Noun::Destination.id([9; 12]);
        assert_eq!(delivery_of(&delivery(&to, 12)), Some((to.clone(), 12)));
        for bad in ["", "dlv_", "dlv_1", "dlv_a_01", "dlv_a_x", "evt_a_1", &to] {
            assert_eq!(delivery_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_forged_number_is_no_id() {
        let session = Noun::Session.id([1; 12]);
        let stem = event(&session, 7);
        let stem = stem.trim_end_matches('7');
        for bad in [
            "",
            "0",
            "07",
            "+7",
            "-7",
            "7 ",
            "7x",
            "99999999999999999999999",
        ] {
            assert_eq!(
                event_seq(&session, &format!("{stem}{bad}")),
                None,
                "{bad:?}"
            );
        }
    }
}
