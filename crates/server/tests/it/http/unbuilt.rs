//! Routes of the contract that are not built: refused by name, to those who may
//! ask, and never mistaken for something that is not there.

use reqwest::Method;

use super::refused;
use crate::harness::{PATIENCE, Server};

#[tokio::test]
async fn a_route_that_is_not_built_is_refused_by_name_after_the_key_was_checked() {
    let server = Server::start();
    for (methods, path) in [
        ("POST", "/v3/agents/import"),
        ("GET PUT", "/v3/agents/agt_1/repository-access"),
        ("GET POST", "/v3/agents/agt_1/deployments"),
        ("GET", "/v3/agents/agt_1/deployments/dep_1/logs"),
        ("GET POST", "/v3/agents/agt_1/revisions"),
        ("POST", "/v3/agents/agt_1/revisions/1/activate"),
        ("GET POST DELETE", "/v3/agents/agt_1/deployment-source"),
        ("GET POST DELETE", "/v3/agents/agt_1/slack"),
        ("PUT", "/v3/agents/agt_1/config"),
        ("GET", "/v3/sessions/ses_1/sources"),
        ("GET POST", "/v3/sessions/ses_1/watches"),
        ("GET", "/v3/sessions/ses_1/artifacts"),
        ("GET POST", "/v3/repos"),
        ("GET POST", "/v3/github/apps"),
        ("GET", "/v3/slack/managed/connections"),
    ] {
        for name in methods.split(' ') {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let error = refused(&server, method.clone(), path, None, 501).await;
            assert_eq!(error["code"], "not_supported");
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("{name} {path}")),
                "{error}"
            );
            let stranger = server
                .http()
                .request(method, server.at(path))
                .timeout(PATIENCE);
            assert_eq!(
                stranger.send().await.unwrap().status().as_u16(),
                401,
                "{name} {path}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_older_faces_have_on_paper_is_refused_in_their_words() {
    let server = Server::start();
    for (method, path) in [
        (Method::GET, "/api/sandboxes"),
        (Method::POST, "/api/sandboxes"),
        (Method::POST, "/api/sandboxes/sb_1/exec/run"),
        (Method::PUT, "/api/sandboxes/sb_1/files"),
        (Method::POST, "/api/sandboxes/from-checkpoint/c1"),
        (Method::GET, "/api/snapshots"),
        (Method::GET, "/v1/agents"),
        (Method::GET, "/v1/agents/a1"),
        (Method::POST, "/v1/agents/a1/instances"),
        (Method::POST, "/v1/sessions"),
        (Method::GET, "/v1/sessions/s1/events"),
    ] {
        let (status, body) = server.send(method.clone(), path, None).await;
        assert_eq!(status.as_u16(), 501, "{method} {path}: {body}");
        let (words, code) = match path.starts_with("/v1") {
            true => (&body["error"]["message"], &body["error"]["type"]),
            false => (&body["error"], &body["code"]),
        };
        assert_eq!(code, "not_supported", "{body}");
        let named = format!("{method} {path}");
        assert!(words.as_str().unwrap().contains(&named), "{body}");
    }
}
