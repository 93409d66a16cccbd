//! Skills: bundles that are kept by what they are, and revisions that name them.

use bytes::Bytes;
use session::Millis;
use store::{AgentChange, Bundle, Error, SkillFile, SkillRow};

use crate::agents::{agent, org};
use crate::bed::{Bed, both};

both!(
    a_bundle_is_kept_under_its_digest_and_sealed,
    what_was_tampered_with_does_not_open,
    skills_make_a_revision_and_stay_with_the_next,
);

async fn a_bundle_is_kept_under_its_digest_and_sealed(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let bytes = Bytes::from_static(b"what a bundle holds");
    let digest = store.skills_put(&org, bytes.clone()).await.unwrap();
    assert_eq!(digest.len(), "sha256:".len() + 64);
    assert_eq!(
        store.skills_put(&org, bytes.clone()).await.unwrap(),
        digest,
        "the same again"
    );
    assert_eq!(store.skills_get(&org, &digest).await.unwrap(), bytes);
    let files = blobs(&bed);
    assert_eq!(files.len(), 1, "{files:?}");
    let kept = std::fs::read(&files[0]).unwrap();
    assert!(!kept.windows(6).any(|part| part == b"bundle"), "sealed");
    let none = format!("sha256:{}", "0".repeat(64));
    for digest in [none.as_str(), "", "sha256:../../x"] {
        let got = store.skills_get(&org, digest).await;
        assert!(matches!(got, Err(Error::Damaged(_))), "{digest}: {got:?}");
    }
    let stranger = store.skills_get("org_2", &digest).await;
    assert!(matches!(stranger, Err(Error::NotFound)), "{stranger:?}");
}

async fn what_was_tampered_with_does_not_open(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let mut digests = Vec::new();
    for bytes in ["one", "two"] {
        let put = store.skills_put(&org, Bytes::from(bytes)).await;
        digests.push(put.unwrap());
    }
    let mut files = blobs(&bed);
    // Under the name of the other: what is sealed there is not what it names.
    std::fs::copy(&files[0], &files[1]).unwrap();
    files.sort();
    let mut opened = 0;
    for digest in &digests {
        match store.skills_get(&org, digest).await {
            Ok(_) => opened += 1,
            Err(error) => assert!(matches!(error, Error::Damaged(_)), "{error}"),
        }
    }
    assert_eq!(opened, 1);
}

fn blobs(bed: &Bed) -> Vec<std::path::PathBuf> {
    let all = bed.options(7, None).blobs.join("skills");
    let orgs = std::fs::read_dir(all).unwrap();
    let files = orgs.flat_map(|org| std::fs::read_dir(org.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn bundle(digest: &str) -> Bundle {
    let file = SkillFile {
        path: "tea/SKILL.md".to_owned(),
        mode: 0o644,
        size: 9,
    };
    let skill = SkillRow {
        name: "tea".to_owned(),
        description: Some("Brews \"tea\".".to_owned()),
        files: vec![file],
    };
    Bundle {
        digest: digest.to_owned(),
        skills: vec![skill],
    }
}

async fn skills_make_a_revision_and_stay_with_the_next(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    store.create_agent(agent(&org, "agt_1")).await.unwrap();
    let change = |revision: &str| AgentChange {
        revision: revision.to_owned(),
        at: Millis(2000),
        ..AgentChange::default()
    };
    let with = |revision: &str, skills| AgentChange {
        skills: Some(skills),
        ..change(revision)
    };
    for (wanted, number, skills) in [
        (with("rev_x", None), 1, None),
        (with("rev_2", Some(bundle("a"))), 2, Some("a")),
        (with("rev_x", Some(bundle("a"))), 2, Some("a")),
        (change("rev_x"), 2, Some("a")),
        (with("rev_3", Some(bundle("b"))), 3, Some("b")),
        (
            AgentChange {
                model: Some("test/x".to_owned()),
                ..change("rev_4")
            },
            4,
            Some("b"),
        ),
        (with("rev_5", None), 5, None),
    ] {
        let told = format!("{wanted:?}");
        let row = store.change_agent(&org, "agt_1", wanted).await.unwrap();
        let active = row.active;
        assert_eq!(active.number, number, "{told}");
        assert_eq!(active.skills, skills.map(bundle), "{told}");
        assert!(!active.id.ends_with('x') && active.prompt.contains("brief"));
        assert_eq!(store.agent(&org, "agt_1").await.unwrap().active, active);
    }
}
