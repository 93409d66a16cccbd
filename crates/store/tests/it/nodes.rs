//! Nodes that share a PostgreSQL hear each other.

use session::Millis;

use crate::bed::{Bed, ORG, born, next};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_on_another_node_sees_everything_live() {
    let bed = Bed::postgres();
    let (here, there) = (bed.open().await, bed.open().await);
    born(&here, "ses_1").await;
    let mut followers = Vec::new();
    for _ in 0..20 {
        followers.push(there.follow(ORG, "ses_1", 0).await.unwrap());
    }
    for head in 1..40 {
        here.append(next("ses_1", head)).await.unwrap();
    }
    for follow in &mut followers {
        for seq in 1..=40 {
            assert_eq!(follow.next().await.unwrap().event.seq, seq);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_work_wakes_the_other_node_and_driven_work_does_not() {
    let bed = Bed::postgres();
    let (here, there) = (bed.open().await, bed.open().await);
    let mut wakes = there.wakes();
    // Said again and again until the other node listens.
    let mut n = 0;
    let wake = loop {
        n += 1;
        born(&here, &format!("ses_{n}")).await;
        let heard = tokio::time::timeout(std::time::Duration::from_millis(50), wakes.recv()).await;
        if let Ok(wake) = heard {
            break wake.unwrap();
        }
    };
    assert!(wake.due && wake.head == 1);
    here.claim("a", Millis(1000), Millis(9000), 100)
        .await
        .unwrap();
    here.append(next("ses_1", 1)).await.unwrap();
    loop {
        let wake = wakes.recv().await.unwrap();
        if wake.head == 2 {
            assert!(!wake.due, "somebody drives it");
            return;
        }
    }
}
