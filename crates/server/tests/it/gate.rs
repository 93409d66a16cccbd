//! The way out of a sandbox, as a session's commands meet it: hands, guest and
//! gate together, with the policy a server has by default.

use serde_json::json;

use crate::harness::Server;

/// Prints for each address whether anything could be read or written there.
const TRY: &str = r#"for a in 169.254.169.254 10.0.0.1 192.168.0.1 172.16.0.1 100.64.0.1 224.0.0.1; do
  if timeout 5 bash -c "exec 3<>/dev/tcp/$a/80; head -c1 <&3" >/dev/null 2>&1
  then echo "$a open"; else [ $? = 124 ] && echo "$a hangs" || echo "$a shut"; fi
done"#;

#[tokio::test]
async fn private_link_local_and_metadata_addresses_are_shut_at_once_and_counted() {
    let server = Server::start();
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": TRY } }] },
            { "say": "{{last_result}}" }
        ]))
        .await;
    server.turn_end(&session, 1).await;
    let result = server.result(&session).await;
    assert_eq!(result.lines().count(), 6, "{result}");
    assert!(
        result.lines().all(|line| line.ends_with(" shut")),
        "{result}"
    );
    let metrics = server
        .http()
        .get(server.at("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for reason in ["metadata", "private"] {
        let counted = metrics
            .lines()
            .any(|line| line.contains("refused") && line.contains(reason) && !line.ends_with(" 0"));
        assert!(counted, "{reason} is not counted:\n{metrics}");
    }
}

#[tokio::test]
async fn the_servers_own_api_and_the_hosts_loopback_are_not_to_be_seen_from_inside() {
    let server = Server::start();
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let command = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo open || echo shut; ls /sys/class/net 2>/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1"
    );
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": command } }] },
            { "say": "{{last_result}}" }
        ]))
        .await;
    server.turn_end(&session, 1).await;
    let result = server.result(&session).await;
    let words: Vec<_> = result.split_whitespace().collect();
    assert_eq!(
        (words.first(), words.last()),
        (Some(&"shut"), Some(&"lo")),
        "{result}"
    );
    assert!(words[1..].iter().all(|word| *word == "lo"), "{result}");
}
