use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(600);

/// What ran: key, when it began, when it ended; milliseconds since the test began.
type Ran = Arc<Mutex<Vec<(&'static str, u128, u128)>>>;

/// A queue at work, whose runs take the time and end as they are told to.
struct Bench {
    queue: Queue<&'static str>,
    lead: watch::Sender<bool>,
    ran: Ran,
    ends: Arc<Mutex<Vec<Reconciled>>>,
    worked: JoinHandle<()>,
}

fn bench(at_most: usize, takes: Duration, after: impl Fn(usize) -> After + Send + Sync + 'static) -> Bench {
    let (queue, (lead, leading)) = (Queue::new(), watch::channel(true));
    let (ran, ends) = (Ran::default(), Arc::new(Mutex::new(Vec::new())));
    let (begun, after, count) = (Instant::now(), Arc::new(after), Arc::new(AtomicUsize::new(0)));
    let told = ran.clone();
    let run = move |key| {
        let (told, after, count) = (told.clone(), after.clone(), count.clone());
        async move {
            let began = begun.elapsed().as_millis();
            sleep(takes).await;
            told.lock().unwrap().push((key, began, begun.elapsed().as_millis()));
            after(count.fetch_add(1, Ordering::Relaxed))
        }
    };
    let heard = ends.clone();
    let ended = move |_: &&str, outcome, _| heard.lock().unwrap().push(outcome);
    let worked = tokio::spawn(work(queue.clone(), at_most, leading, run, ended));
    Bench { queue, lead, ran, ends, worked }
}

impl Bench {
    fn keys(&self) -> Vec<&'static str> {
        self.ran.lock().unwrap().iter().map(|(key, ..)| *key).collect()
    }

    fn begun(&self) -> Vec<u128> {
        self.ran.lock().unwrap().iter().map(|(_, began, _)| *began).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_once_and_the_earlier_time_wins() {
    let bench = bench(1, Duration::ZERO, |_| After::Done);
    bench.queue.add_after("a", SECOND * 5);
    bench.queue.add_after("a", SECOND * 2);
    bench.queue.add_after("a", SECOND * 9);
    assert_eq!(bench.queue.waiting(), 1);
    sleep(LONG).await;
    assert_eq!((bench.begun(), bench.queue.waiting()), (vec![2000], 0));
    bench.queue.add_after("b", SECOND * 5);
    bench.queue.add("b");
    sleep(LONG).await;
    assert_eq!(bench.keys(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_never_runs_twice_at_once_and_one_that_comes_meanwhile_runs_afterwards() {
    let bench = bench(4, SECOND, |_| After::Done);
    bench.queue.add("a");
    sleep(SECOND / 2).await;
    bench.queue.add("a");
    bench.queue.add("a");
    assert_eq!(bench.queue.waiting(), 1);
    sleep(LONG).await;
    assert_eq!(*bench.ran.lock().unwrap(), [("a", 0, 1000), ("a", 1000, 2000)]);
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_once_and_no_more() {
    let bench = bench(2, SECOND, |_| After::Done);
    for key in ["a", "b", "c", "d", "e"] {
        bench.queue.add(key);
    }
    sleep(LONG).await;
    assert_eq!(bench.begun(), [0, 0, 1000, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn failures_pause_longer_and_longer_and_a_success_forgets_them() {
    let bench = bench(1, Duration::ZERO, |count| if count == 12 { After::Done } else { After::Failed });
    bench.queue.add("a");
    sleep(LONG * 2).await;
    let begun = bench.begun();
    assert_eq!(begun.len(), 13);
    for (failures, pair) in begun.windows(2).enumerate() {
        let (paused, expected) = ((pair[1] - pair[0]) as f64, (200u64 << failures).min(60_000) as f64);
        assert!((0.75 * expected..=1.25 * expected + 2.0).contains(&paused), "{paused} ms after {} failures", failures + 1);
    }
    bench.queue.add("a");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.begun().len(), 15);
}

#[tokio::test(start_paused = true)]
async fn news_ends_a_pause_and_makes_the_next_one_no_longer() {
    let bench = bench(1, Duration::ZERO, |_| After::Failed);
    bench.queue.add("a");
    for _ in 0..10 {
        sleep(Duration::from_millis(10)).await;
        bench.queue.add("a");
    }
    sleep(Duration::from_millis(800)).await;
    // At once, ten times for news, and after the pauses of a first and a second failure.
    assert_eq!(bench.begun().len(), 13);
}

#[test]
fn a_pause_is_not_always_the_same_and_stays_within_its_bounds() {
    let pauses: BTreeSet<Duration> = (0..100).map(|_| pause(1)).collect();
    assert!(pauses.len() > 50);
    assert!(pauses.iter().all(|pause| (150..=250).contains(&pause.as_millis())));
    assert!((0..100).all(|_| pause(u32::MAX) <= LONGEST_PAUSE.mul_f64(1.25)));
}

#[tokio::test(start_paused = true)]
async fn a_run_may_ask_for_another_which_is_no_failure() {
    let bench = bench(1, Duration::ZERO, |count| if count < 2 { After::Again(SECOND * 30) } else { After::Done });
    bench.queue.add("a");
    sleep(LONG).await;
    assert_eq!(bench.begun(), [0, 30_000, 60_000]);
    assert_eq!(*bench.ends.lock().unwrap(), [Reconciled::Done; 3]);
    bench.queue.add_after("a", Duration::MAX);
    assert_eq!(bench.queue.waiting(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_while_another_leads_and_what_waits_begins_with_us() {
    let bench = bench(2, SECOND, |_| After::Done);
    bench.lead.send_replace(false);
    bench.queue.add("a");
    bench.queue.add_after("b", SECOND);
    sleep(LONG).await;
    assert_eq!((bench.keys().len(), bench.queue.waiting()), (0, 2));
    bench.lead.send_replace(true);
    sleep(SECOND * 2).await;
    assert_eq!(bench.keys(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_what_runs_and_for_nothing_else() {
    let bench = bench(1, SECOND * 10, |_| After::Again(SECOND));
    bench.queue.idle().await;
    bench.queue.add("a");
    sleep(SECOND).await;
    bench.lead.send_replace(false);
    bench.queue.add("b");
    assert!(timeout(SECOND * 8, bench.queue.idle()).await.is_err());
    timeout(SECOND * 2, bench.queue.idle()).await.unwrap();
    sleep(LONG).await;
    assert_eq!((bench.keys(), bench.queue.waiting()), (vec!["a"], 2));
    timeout(SECOND, bench.queue.idle()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_election_and_lets_runs_end() {
    let bench = bench(1, SECOND, |_| After::Again(SECOND));
    bench.queue.add("a");
    advance(SECOND / 2).await;
    sleep(SECOND / 10).await;
    drop(bench.lead);
    timeout(LONG, bench.worked).await.unwrap().unwrap();
    assert_eq!(bench.ran.lock().unwrap().len(), 1);
    timeout(SECOND, bench.queue.idle()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_key_alone() {
    let (queue, (_lead, leading)) = (Queue::new(), watch::channel(true));
    let (ends, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let run = move |key: &'static str| {
        assert!(key != "at once" || counted.fetch_add(1, Ordering::Relaxed) > 0, "before it is awaited");
        async move {
            assert!(key != "always", "while it is awaited");
            After::Done
        }
    };
    let heard = ends.clone();
    let ended = move |key: &&'static str, outcome, _| heard.lock().unwrap().push((*key, outcome));
    let worked = tokio::spawn(work(queue.clone(), 1, leading, run, ended));
    queue.add("at once");
    sleep(LONG).await;
    queue.add("good");
    sleep(SECOND).await;
    let (failed, done) = (Reconciled::Panicked, Reconciled::Done);
    assert_eq!(*ends.lock().unwrap(), [("at once", failed), ("at once", done), ("good", done)]);
    queue.add("always");
    sleep(SECOND).await;
    assert!(ends.lock().unwrap()[3..].iter().all(|end| *end == ("always", failed)));
    assert!(ends.lock().unwrap().len() > 4 && !worked.is_finished());
}
