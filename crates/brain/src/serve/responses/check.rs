//! The rules of the Responses API, as far as clients break them.

use axum::http::HeaderMap;

use super::Body;
use super::item::Item;
use crate::serve::fault::Fault;
use crate::serve::messages::is_name;
use crate::serve::seal::Seal;

/// Ends the ids of items that only make sense after their reasoning.
pub(super) const REASONED: &str = "_reasoned";

pub(super) fn headers(headers: &HeaderMap) -> Result<(), Fault> {
    let given = headers.get("authorization");
    let given = given.and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(key) if !key.is_empty() => Ok(()),
        _ => Err(Fault::new(
            401,
            "You didn't provide an API key in an Authorization header.",
        )),
    }
}

pub(super) fn body(body: &Body, items: &[Item<'_>]) -> Result<(), Fault> {
    if body.model.as_deref().unwrap_or_default().is_empty() {
        return Err(Fault::bad("Missing required parameter: 'model'."));
    }
    if items.is_empty() {
        return Err(Fault::bad("Missing required parameter: 'input'."));
    }
    if body.max_output_tokens.is_some_and(|most| most < 16) {
        return Err(Fault::bad(
            "Invalid 'max_output_tokens': Expected a value >= 16.",
        ));
    }
    for (at, tool) in body.tools.iter().enumerate() {
        let function = tool["type"] == "function";
        let named = is_name(tool["name"].as_str().unwrap_or_default());
        if function && !(named && tool["parameters"].is_object()) {
            return Err(Fault::bad(format!(
                "Invalid 'tools[{at}]': a function needs a name and parameters."
            )));
        }
    }
    for (at, item) in items.iter().enumerate() {
        whole(item).map_err(|words| Fault::bad(format!("Invalid 'input[{at}]': {words}")))?;
    }
    pairs(items)?;
    reasoning(items)
}

/// One item, looked at by itself.
fn whole(item: &Item<'_>) -> Result<(), String> {
    match item {
        Item::Unknown(what) => Err(format!("unknown {what}")),
        Item::User(text) if text.is_empty() => Err("a message without content".to_owned()),
        Item::Call {
            call,
            name,
            arguments,
            ..
        } if call.is_empty() || name.is_empty() || arguments.is_none() => {
            Err("a function_call needs call_id, name and arguments".to_owned())
        }
        Item::Output { call: "", .. } => Err("call_id is missing".to_owned()),
        Item::Reasoning { id, sealed } if *sealed != seal(id) => Err(
            "The encrypted content could not be verified: it is not what was handed out."
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Every call has its output, and every output its call before it.
fn pairs(items: &[Item<'_>]) -> Result<(), Fault> {
    let mut open: Vec<&str> = Vec::new();
    for item in items {
        match item {
            Item::Call { call, .. } => open.push(call),
            Item::Output { call, .. } => {
                let place = open.iter().position(|id| id == call).ok_or_else(|| {
                    Fault::bad(format!(
                        "No tool call found for function call output with call_id {call}."
                    ))
                })?;
                open.remove(place);
            }
            _ => {}
        }
    }
    match open.first() {
        Some(call) => Err(Fault::bad(format!(
            "No tool output found for function call {call}."
        ))),
        None => Ok(()),
    }
}

/// Reasoning comes back with what it led to, and that with its reasoning.
fn reasoning(items: &[Item<'_>]) -> Result<(), Fault> {
    let mut reasoned = false;
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Reasoning { id, .. } => {
                if !items.get(at + 1).is_some_and(Item::is_of_model) {
                    return Err(Fault::bad(format!(
                        "Item '{id}' of type 'reasoning' was provided without its required following item."
                    )));
                }
                reasoned = true;
            }
            Item::Said { id } | Item::Call { id, .. } => {
                if id.ends_with(REASONED) && !reasoned {
                    return Err(Fault::bad(format!(
                        "Item '{id}' was provided without its required 'reasoning' item."
                    )));
                }
            }
            _ => reasoned = false,
        }
    }
    Ok(())
}

/// The sealed content of the reasoning of that id.
pub(super) fn seal(id: &str) -> String {
    Seal::default().sign(id)
}

#[cfg(test)]
mod tests;
