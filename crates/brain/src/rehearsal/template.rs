//! The few words in braces that a scripted text may hold.

use super::Scene;

/// The text with `{{last_result}}`, `{{last_user}}` and `{{results}}` filled
/// in. What is filled in is not looked at again; other braces stay.
pub(super) fn fill(text: &str, scene: &Scene<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find("}}").map(|end| end + 2);
        let word = end.map(|end| &rest[..end]);
        let value = match word {
            Some("{{last_result}}") => Some(scene.last_result().unwrap_or_default().to_owned()),
            Some("{{last_user}}") => Some(scene.last_user().unwrap_or_default().to_owned()),
            Some("{{results}}") => Some(scene.results().to_string()),
            _ => None,
        };
        let taken = match (value, end) {
            (Some(value), Some(end)) => {
                out.push_str(&value);
                end
            }
            _ => {
                out.push_str("{{");
                2
            }
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::Seen;
    use super::*;

    #[test]
    fn words_in_braces_are_filled_in_once() {
        let user = |text: &'static str| Seen::User {
            seq: 1,
            text: Cow::Borrowed(text),
        };
        let result = |text: &'static str| Seen::Result {
            text: Cow::Borrowed(text),
            is_error: false,
        };
        let scene = Scene(vec![
            user("old"),
            result("a"),
            result("b {{results}}"),
            user("new"),
        ]);
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("got: {{last_result}}.", "got: b {{results}}."),
            ("{{last_user}} {{results}}", "new 2"),
            ("{{nothing}} {{", "{{nothing}} {{"),
            ("{{{{results}}", "{{2"),
        ] {
            assert_eq!(fill(text, &scene), want, "{text}");
        }
        let empty = Scene::default();
        assert_eq!(
            fill("[{{last_result}}{{last_user}}{{results}}]", &empty),
            "[0]"
        );
    }
}
