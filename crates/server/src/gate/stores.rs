//! The names of the secret stores that a session is born with: its agent's own,
//! and the one its agent names.

/// What the name of a store of an agent's own begins with.
const OWN: &str = "agent:";

/// The name of the store that holds an agent's own secrets. It is made with the
/// first of them.
#[must_use]
pub fn own_store(agent: &str) -> String {
    format!("{OWN}{agent}")
}

/// Whether a store that a session counts on is gone: what it closed must not open.
#[must_use]
pub fn is_gone(missing: &[String]) -> bool {
    missing.iter().any(|name| !name.starts_with(OWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_an_agent_s_own_need_not_be_there() {
        let own = own_store("agt_1");
        assert!(!is_gone(&[]) && !is_gone(std::slice::from_ref(&own)));
        assert!(is_gone(&[own, "ci".to_owned()]));
    }
}
