//! Nodes that share a PostgreSQL hear each other.

use session::Millis;
use store::{Database, Error, Quota};

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
    here.claim("a", Millis(1000), Millis(9000), 100, &Quota::default())
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

/// Ends every connection of the stores to their database.
async fn cut(bed: &Bed) {
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let Database::Postgres(url) = &bed.database else {
        panic!("PostgreSQL")
    };
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let line = tokio::spawn(connection);
    client.execute(CUT, &[]).await.unwrap();
    drop(client);
    line.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_lines_are_mended_and_nothing_is_missed() {
    let bed = Bed::postgres();
    let (here, there) = (bed.open().await, bed.open().await);
    born(&here, "ses_1").await;
    let mut follow = there.follow(ORG, "ses_1", 0).await.unwrap();
    assert_eq!(follow.next().await.unwrap().event.seq, 1);
    for round in 0..3 {
        cut(&bed).await;
        // A read is tried again by itself; of a write the caller decides.
        assert_eq!(here.session(ORG, "ses_1").await.unwrap().head, 1 + round);
        loop {
            match here.append(next("ses_1", 1 + round)).await {
                Ok(_) => break,
                Err(Error::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(here.ready().is_ok());
        assert_eq!(follow.next().await.unwrap().event.seq, 2 + round);
    }
}
