//! Agents' addresses, written and read. It knows what the operator told of hosts,
//! and no request.

use session::id::Noun;

use crate::config::Config;

/// Digits of an agent's id.
const DIGITS: usize = 24;

/// The address of an agent, without a slash at its end: clients add `/` or
/// `/hooks/<token>`.
#[must_use]
pub fn of(config: &Config, agent: &str) -> String {
    let (server, label) = (config.node.url(), label(agent));
    let Some(domain) = &config.node.agent_domain else {
        return format!("{server}/agents/{label}");
    };
    let (scheme, rest) = server.split_once("://").unwrap_or(("https", &server));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    format!("{scheme}://{label}.{domain}{port}")
}

/// An agent's id as a host name has it: without an underscore.
fn label(agent: &str) -> String {
    agent.replacen('_', "-", 1)
}

/// The id of the agent whose label this is, exactly as we write it.
#[must_use]
pub fn agent(label: &str) -> Option<String> {
    let digits = label
        .strip_prefix(Noun::Agent.prefix())?
        .strip_prefix('-')?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let ours = digits.len() == DIGITS && digits.bytes().all(hex);
    ours.then(|| format!("{}_{digits}", Noun::Agent.prefix()))
}

/// The label in front of the domain, if the host is one for agents: one label that
/// begins as an agent's. Whose it is, and whether it is anybody's, is not asked.
#[must_use]
pub fn label_in(host: &str, domain: &str) -> Option<String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let label = name.strip_suffix(domain)?.strip_suffix('.')?;
    let one = !label.contains('.') && label.starts_with("agt-");
    one.then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    const AGENT: &str = "agt_0123456789abcdef01234567";
    const LABEL: &str = "agt-0123456789abcdef01234567";

    fn config(url: Option<&str>, domain: Option<&str>) -> Config {
        let mut settings = Settings::default();
        settings.node.public_url = url.map(str::to_owned);
        settings.node.agent_domain = domain.map(str::to_owned);
        settings.hold().unwrap()
    }

    #[test]
    fn an_address_is_a_path_or_a_host() {
        for (url, domain, want) in [
            (None, None, format!("http://127.0.0.1:8080/agents/{LABEL}")),
            (
                Some("https://oc.test/"),
                None,
                format!("https://oc.test/agents/{LABEL}"),
            ),
            (
                Some("https://oc.test"),
                Some("Agents.oc.test."),
                format!("https://{LABEL}.agents.oc.test"),
            ),
            (
                Some("http://oc.test:81/base"),
                Some("a.test"),
                format!("http://{LABEL}.a.test:81"),
            ),
            (
                Some("http://[::1]"),
                Some("a.test"),
                format!("http://{LABEL}.a.test"),
            ),
        ] {
            assert_eq!(of(&config(url, domain), AGENT), want);
        }
    }

    #[test]
    fn a_label_is_exactly_ours() {
        assert_eq!(agent(LABEL).as_deref(), Some(AGENT));
        for bad in [
            "",
            "agt-",
            "agt_0123456789abcdef01234567",
            "agt-0123456789ABCDEF01234567",
            "agt-0123456789abcdef0123456",
            "agt-0123456789abcdef012345678",
            "agt-0123456789abcdef0123456g",
            "agt-0123456789abcdef01234567 ",
            "Agt-0123456789abcdef01234567",
            "ses-0123456789abcdef01234567",
        ] {
            assert_eq!(agent(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_host_for_agents_is_one_label_before_the_domain() {
        for (host, want) in [
            ("agt-1.a.test", Some("agt-1")),
            ("agt-1.a.test:8080", Some("agt-1")),
            ("AGT-1.A.test.", Some("agt-1")),
            ("agt-1.a.test.:80", Some("agt-1")),
            ("agt-.a.test", Some("agt-")),
            ("a.test", None),
            ("oc.a.test", None),
            ("x.agt-1.a.test", None),
            ("agt-1.x.a.test", None),
            ("agt-1.a.test.evil.test", None),
            ("agt-1a.test", None),
            ("agt-1.a.test:80:80", None),
            ("[::1]:80", None),
            ("", None),
        ] {
            assert_eq!(label_in(host, "a.test").as_deref(), want, "{host}");
        }
    }
}
