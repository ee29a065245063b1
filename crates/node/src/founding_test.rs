//! What a founder makes of what the others say of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::network::{Answer, Asking, Identity, Peers, Question, Resolving};

use super::*;

/// Members who answer what is given, in turn, each the last answer for ever.
struct Script(Mutex<BTreeMap<String, Vec<Option<Vec<Member>>>>>);

impl Network for Script {
    fn ask(&self, question: Question) -> Asking {
        let mut answers = self.0.lock().unwrap();
        let answers = answers.get_mut(&question.url).expect("it is one of them");
        let members = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let answer = members.ok_or_else(|| "connection refused".to_owned()).map(|members| Answer {
            status: 200,
            cluster: Some(ClusterId(1)),
            body: Member::list_to_json(&members).into(),
            ..Answer::default()
        });
        Box::pin(std::future::ready(answer))
    }

    fn resolve(&self, _host: &str) -> Resolving {
        unreachable!("nothing is to be resolved")
    }

    fn enter(&self, _identity: &Identity) -> Arc<dyn Peers> {
        unreachable!("nobody enters")
    }
}

fn founders() -> Vec<Member> {
    let initial: InitialCluster = "a=http://a:1,b=http://b:1,c=http://c:1".parse().unwrap();
    initial.members("token").unwrap()
}

/// The first so many founders, of whom the named have told their client URLs.
fn list(count: usize, started: &[&str]) -> Option<Vec<Member>> {
    let mut members = founders();
    members.sort_by(|one, other| one.attributes.name.cmp(&other.attributes.name));
    members.truncate(count);
    for member in &mut members {
        if started.contains(&&*member.attributes.name) {
            member.attributes.client_urls = vec!["http://x:2".to_owned()];
        }
    }
    Some(members)
}

/// What `a` makes of the answers of the others, round by round, until it is settled.
async fn verdicts(b: Vec<Option<Vec<Member>>>, c: Vec<Option<Vec<Member>>>) -> Vec<Verdict> {
    let answers = [("http://b:1".to_owned(), b), ("http://c:1".to_owned(), c)];
    let network = Script(Mutex::new(answers.into()));
    let members = founders();
    let mut witnesses = Witnesses::new(local(&members, "a").unwrap(), &members);
    let mut verdicts = Vec::new();
    while verdicts.len() < 5 && verdicts.last().is_none_or(|last| *last == Verdict::Open) {
        verdicts.push(witnesses.ask(&network).await);
    }
    verdicts
}

#[tokio::test]
async fn who_replays_its_log_is_not_believed_yet() {
    use Verdict::{Known, New, Open};
    let down = || vec![None];
    // What etcd answers in the first moments after a restart.
    let replaying = vec![list(0, &[]), list(1, &[]), list(3, &[]), list(3, &["a", "b", "c"])];
    assert_eq!(verdicts(down(), replaying).await, [Open, Open, Open, Known]);
    let stands_in = vec![list(0, &[]), None, list(3, &["b", "c", "a"])];
    assert_eq!(verdicts(stands_in, down()).await, [Open, Open, Known]);
    // What it answers for as long as nobody has had a leader.
    assert_eq!(verdicts(down(), vec![list(3, &[])]).await, [Open, New]);
    assert_eq!(verdicts(vec![list(3, &["b", "c"])], down()).await, [Open, New]);
    assert_eq!(verdicts(vec![list(3, &[]), None], vec![None, list(3, &[])]).await.len(), 3);
    assert_eq!(verdicts(vec![list(2, &[])], down()).await, [Open; 5]);
    assert_eq!(verdicts(down(), down()).await, [Open; 5]);
}
