//! Whether the server has keys of its own for the providers.

use session::Provider;

use super::Check;
use crate::config::Config;

pub(super) fn look(config: &Config) -> Vec<Check> {
    [
        ("anthropic key", Provider::Anthropic),
        ("openai key", Provider::OpenAi),
    ]
    .map(|(name, provider)| one(config, name, provider))
    .into()
}

fn one(config: &Config, name: &'static str, provider: Provider) -> Check {
    let variable = format!("{}_API_KEY", provider.name().to_uppercase());
    if config.models.managed_key(provider).is_some() {
        Check::ok(
            name,
            format!(
                "set: agents with {}/ models need none of their own",
                provider.name()
            ),
        )
    } else {
        let fix = format!(
            "set {variable} for the server, or store keys with `oc credential add`; test/ models need none"
        );
        Check::weaker(name, "not set", fix)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_key_is_told_but_never_shown() {
        let mut settings = Settings::default();
        settings.models.anthropic_api_key = Some(String::from("sk-hidden").into());
        let checks = look(&settings.hold().unwrap());
        assert_eq!(
            checks.iter().map(|check| check.state).collect::<Vec<_>>(),
            [State::Ok, State::Weaker]
        );
        assert!(!format!("{checks:?}").contains("sk-hidden"));
        assert!(
            checks[1]
                .fix
                .as_deref()
                .unwrap_or_default()
                .contains("OPENAI_API_KEY")
        );
    }
}
