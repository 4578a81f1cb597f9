//! The contract's vectors: requests with the answers of an independent oracle. Not the laws: those make their own cases.

use reengaged::cli::plan::stream;
use serde_json::Value;
use std::fs;

/// What the vectors settle of an answer.
fn settled(line: &str) -> (Value, Value, Value) {
    let answer: Value = serde_json::from_str(line).expect("each answer is JSON");
    (answer["id"].clone(), answer["action"].clone(), answer["due_at"].clone())
}

#[test]
fn every_vector_agrees() {
    let folder = crate::shared().join("vectors");
    let requests = fs::read(folder.join("requests.jsonl")).expect("the vectors are at hand (REENGAGED_SHARED)");
    let answers = fs::read_to_string(folder.join("answers.jsonl")).expect("the answers are beside them");
    let mut ours = Vec::new();
    assert!(stream(&requests[..], &mut ours, None).unwrap(), "every vector is a request");
    let ours = String::from_utf8(ours).unwrap();
    assert_eq!(ours.lines().count(), answers.lines().count());
    assert!(answers.lines().count() >= 3_000, "all vectors are there");
    let lines = std::str::from_utf8(&requests).unwrap().lines();
    for ((our, their), request) in ours.lines().zip(answers.lines()).zip(lines) {
        assert_eq!(settled(our), settled(their), "{request}\n{our}");
    }
}
