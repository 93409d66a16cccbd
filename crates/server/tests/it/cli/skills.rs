//! `oc agent skills`: a folder goes in, a list comes out.

use serde_json::json;

use super::{error, oc};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_skills_is_given_shown_and_taken_away() {
    let server = Server::start();
    server.agent("skilled", "test/script").await;
    let folder = tempfile::tempdir().unwrap();
    let skill = folder.path().join("tea");
    std::fs::create_dir(&skill).unwrap();
    let at = folder.path().to_str().unwrap();
    let put = ["agent", "skills", "put", at, "--agent", "skilled"];
    let get = ["agent", "skills", "get", "--agent", "skilled"];

    let none = oc(&server, &get).well();
    assert!(none.out.contains("No skills yet"), "{none:?}");
    let bad = oc(&server, &[&put[..], &["--json"]].concat());
    assert_eq!(error(&bad)["type"], "invalid", "{bad:?}");
    let text = "---\nname: tea\ndescription: Brews tea.\n---\n";
    std::fs::write(skill.join("SKILL.md"), text).unwrap();
    assert_eq!(oc(&server, &put).well().out, "Revision 2 is active.\n");
    let same = oc(&server, &put).well().out;
    assert_eq!(same, "Nothing changed: revision 2 stays active.\n");
    let shown = oc(&server, &get).well();
    assert!(shown.out.contains("Brews tea."), "{shown:?}");
    let shown = oc(&server, &[&get[..], &["--json"]].concat()).json();
    assert_eq!(shown["skills"][0]["files"][0]["path"], "tea/SKILL.md");
    let delete = ["agent", "skills", "delete", "--agent", "skilled", "--json"];
    let gone = oc(&server, &delete).json();
    assert_eq!(gone["revision"]["number"], json!(3));
    let missing = ["agent", "skills", "put", "/no/such", "--agent", "skilled"];
    assert_eq!(oc(&server, &missing).code, 1);
}
