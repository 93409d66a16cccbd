//! A model call that is dropped ends its request at once.

use std::time::Duration;

use brain::Deltas;
use serde_json::json;
use tokio::time::timeout;

use crate::hall::{Hall, MODELS, ask, script, user};

#[tokio::test]
async fn the_server_sees_that_the_client_left() {
    let hall = Hall::open().await;
    for (number, model) in MODELS.into_iter().enumerate() {
        let line = json!({ "say": "abcdef", "chunks": 2, "fail": "hang", "times": -1 });
        let asked = ask(model, vec![user(1, &script(&json!([line])))]);
        let (deltas, mut said) = Deltas::new(64);
        let brain = hall.models.for_model(&asked.model);
        let mut thinking = brain.think(asked, deltas);
        // Cut in the middle: some of the answer has come, the rest never will.
        tokio::select! {
            ended = &mut thinking => panic!("{model} ended: {ended:?}"),
            first = said.recv() => assert!(first.is_some()),
        }
        drop(thinking);
        let left = async {
            while hall.log().await[number]["ended"] != "the client left" {
                tokio::task::yield_now().await;
            }
        };
        let seen = timeout(Duration::from_secs(30), left).await;
        assert!(seen.is_ok(), "{model}: the server still waits");
    }
}
