//! Stories told call by call: what is asked of a provider, in which order, and what is made of its answers.

use std::{error::Error as _, time::Duration};

use jiff::Timestamp;

use super::script::{
    BEGIN, SETTLE, Script,
    Step::{Create, Discard, Finish, Observe, ObserveMade},
    failed, going, marks, ours, small, wanted,
};
use crate::{
    Applied, ErrorKind,
    ensure::{Born, Fingerprint, Life, Marks, Observed, Reason, Unique, Wanted, ensure, sweep},
};

#[tokio::test(start_paused = true)]
async fn what_is_there_is_adopted_and_finished() {
    for unique in [Unique::Name, Unique::Token, Unique::Tag, Unique::Alias] {
        let script = Script::new(unique, [Observe(Ok(vec![ours("a")])), Finish("a", Ok(()))]);
        assert_eq!(script.play(&wanted()).await.unwrap(), "a");
        assert_eq!(script.start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_answered_is_not_looked_for() {
    for unique in [Unique::Name, Unique::Token, Unique::Alias] {
        let script =
            Script::new(unique, [Observe(Ok(vec![])), Create(Ok("a")), Finish("a", Ok(()))]);
        assert_eq!(script.play(&wanted()).await.unwrap(), "a");
        assert_eq!(script.start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn other_settings_and_strangers_are_refused() {
    let large = Observed::new("a", Life::Alive, marks(&small().field("size", 2), 1));
    let foreign = Observed::new("a", Life::Alive, Marks::default());
    for unique in [Unique::Name, Unique::Token, Unique::Tag, Unique::Alias] {
        let script = Script::new(unique, [Observe(Ok(vec![large.clone()]))]);
        let error = script.play(&wanted()).await.unwrap_err();
        let (found, asked) = (small().field("size", 2), small());
        assert_eq!(
            error.to_string(),
            format!(
                "thing.create web: a has the name and other settings: found {found}, wanted {asked} (AlreadyExists)"
            )
        );
        assert_eq!(error.applied(), Applied::No);

        let script = Script::new(unique, [Observe(Ok(vec![foreign.clone()]))]);
        let error = script.play(&wanted()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "thing.create web: a has the name and was not made by MVI (AlreadyExists)"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_of_that_name_is_refused_also_beside_our_own() {
    let foreign = Observed::new("b", Life::Alive, Marks::default());
    let ours = Observed::new("a", Life::Alive, Marks { born: None, ..marks(&small(), 1) });
    for unique in [Unique::Token, Unique::Tag, Unique::Alias] {
        let script = Script::new(unique, [Observe(Ok(vec![ours.clone(), foreign.clone()]))]);
        let error = script.play(&wanted()).await.unwrap_err();
        assert!(error.message().starts_with("b has the name and was not made"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_before_it_is_asked_again() {
    let found = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Timeout)),
        Observe(Ok(vec![ours("a")])),
        Finish("a", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Name, found).play(&wanted()).await.unwrap(), "a");

    let again = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Timeout)),
        Observe(Ok(vec![])),
        Create(Ok("a")),
        Finish("a", Ok(())),
    ];
    let script = Script::new(Unique::Token, again);
    assert_eq!(script.play(&wanted()).await.unwrap(), "a");
    let attempts = script.attempts();
    assert_eq!(attempts[0], attempts[1], "twice is once only with the same request");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_twice_is_an_error() {
    let steps = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Unavailable)),
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Timeout)),
        Observe(Ok(vec![])),
    ];
    let error = Script::new(Unique::Name, steps).play(&wanted()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
}

#[tokio::test(start_paused = true)]
async fn what_can_double_is_never_created_twice() {
    for unique in [Unique::Tag, Unique::Alias] {
        let steps = [
            Observe(Ok(vec![])),
            Create(failed(ErrorKind::Timeout)),
            Observe(Ok(vec![])),
            Observe(Ok(vec![])),
        ];
        let script = Script::new(unique, steps);
        let error = script.play(&wanted()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
        assert_eq!(error.message(), "scripted", "what became of the create, not of the wait");
        assert_eq!(script.start.elapsed(), SETTLE);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_made_in_a_lost_answer_is_known_by_its_birth() {
    let steps = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Timeout)),
        ObserveMade("a", vec![]),
        ObserveMade("a", vec![]),
        Finish("a", Ok(())),
    ];
    let script = Script::new(Unique::Tag, steps);
    assert_eq!(script.play(&wanted()).await.unwrap(), "a");
    assert_eq!(script.start.elapsed(), SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_and_is_seen_has_surely_been_made() {
    let steps = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::Timeout)),
        ObserveMade("a", vec![]),
        ObserveMade("a", vec![]),
        Finish("a", failed(ErrorKind::Forbidden)),
    ];
    let error = Script::new(Unique::Tag, steps).play(&wanted()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::Yes));
}

#[tokio::test(start_paused = true)]
async fn what_surely_was_not_made_is_the_callers_to_repeat() {
    for kind in
        [ErrorKind::Throttled, ErrorKind::Invalid, ErrorKind::Forbidden, ErrorKind::Exhausted]
    {
        for unique in [Unique::Name, Unique::Token, Unique::Tag, Unique::Alias] {
            let script = Script::new(unique, [Observe(Ok(vec![])), Create(failed(kind))]);
            let error = script.play(&wanted()).await.unwrap_err();
            assert_eq!((error.kind(), error.applied()), (kind, Applied::No));
        }
    }
    let error =
        Script::new(Unique::Name, [Observe(failed(ErrorKind::Timeout))]).play(&wanted()).await;
    assert_eq!(error.unwrap_err().applied(), Applied::No, "to look changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_dying_namesake_is_waited_for() {
    for unique in [Unique::Name, Unique::Token, Unique::Alias] {
        let steps = [
            Observe(Ok(vec![going("old", Life::Dying)])),
            Observe(Ok(vec![going("old", Life::Dying)])),
            Observe(Ok(vec![going("old", Life::Dead)])),
            Create(Ok("new")),
            Finish("new", Ok(())),
        ];
        let script = Script::new(unique, steps);
        assert_eq!(script.play(&wanted()).await.unwrap(), "new");
        assert_eq!(script.start.elapsed(), 2 * wanted().poll);
    }
}

#[tokio::test(start_paused = true)]
async fn what_dies_without_the_name_is_not_waited_for() {
    let lost = Observed { named: false, ..going("lost", Life::Dying) };
    let steps = [Observe(Ok(vec![lost])), Create(Ok("new")), Finish("new", Ok(()))];
    assert_eq!(Script::new(Unique::Alias, steps).play(&wanted()).await.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_says_what_it_waited_for() {
    let dying = || Observe(Ok(vec![going("old", Life::Dying)]));
    let script = Script::new(Unique::Name, [dying(), dying(), dying(), dying()]);
    let error = script.play(&wanted().patience(Duration::from_millis(1_200))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "thing.create web: waited 1.2s for old, which is on its way out, to be gone (Timeout)"
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(script.start.elapsed(), Duration::from_millis(1_200));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_seen_yet_is_waited_for() {
    let steps = [
        Observe(Ok(vec![])),
        Create(failed(ErrorKind::AlreadyExists)),
        Observe(Ok(vec![])),
        Observe(Ok(vec![ours("a")])),
        Finish("a", failed(ErrorKind::NotFound)),
        Observe(Ok(vec![ours("a")])),
        Finish("a", failed(ErrorKind::Conflict)),
        Observe(Ok(vec![ours("a")])),
        Finish("a", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Name, steps).play(&wanted()).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_by_what_nobody_sees_is_refused() {
    let mut steps = vec![Observe(Ok(vec![])), Create(failed(ErrorKind::AlreadyExists))];
    steps.extend((0..=20).map(|_| Observe(Ok(vec![]))));
    steps.push(Create(failed(ErrorKind::AlreadyExists)));
    steps.extend((0..=20).map(|_| Observe(Ok(vec![]))));
    let script = Script::new(Unique::Name, steps);
    let error = script.play(&wanted()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::AlreadyExists, "scripted"));
    assert_eq!(script.start.elapsed(), 2 * SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_ready_is_an_error_that_says_why() {
    for kind in [ErrorKind::NotFound, ErrorKind::Conflict] {
        let steps = [
            Observe(Ok(vec![])),
            Create(Ok("a")),
            Finish("a", failed(kind)),
            Observe(Ok(vec![])),
            Finish("a", failed(kind)),
        ];
        let script = Script::new(Unique::Alias, steps);
        let error = script.play(&wanted().patience(Duration::from_millis(300))).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Yes));
        assert!(error.source().unwrap().to_string().contains("scripted"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_create_says_that_it_was_applied() {
    let steps = [Observe(Ok(vec![])), Create(Ok("a")), Finish("a", failed(ErrorKind::Forbidden))];
    let error = Script::new(Unique::Name, steps).play(&wanted()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_new_once_what_it_made_is_dead() {
    async fn token(dead: &[&'static str], name: &str, settings: &Fingerprint) -> String {
        let dead = dead.iter().map(|id| going(id, Life::Dead)).collect();
        let script = Script::new(
            Unique::Token,
            [Observe(Ok(dead)), Create(Ok("new")), Finish("new", Ok(()))],
        );
        script.play(&Wanted::new("thing.create", name, settings)).await.unwrap();
        let token = script.attempts()[0].token.clone();
        assert_eq!(token.len(), 32);
        token
    }
    let first = token(&[], "web", &small()).await;
    assert_eq!(first, token(&[], "web", &small()).await);
    assert_eq!(
        first,
        token(&[], "web", &small().field("size", 2)).await,
        "racers meet in one token"
    );
    assert_ne!(first, token(&[], "www", &small()).await);
    assert_ne!(first, token(&["a"], "web", &small()).await);
    assert_eq!(token(&["a", "b"], "web", &small()).await, token(&["b"], "web", &small()).await);
    assert_ne!(token(&["b", "a"], "web", &small()).await, token(&["b"], "web", &small()).await);
}

#[tokio::test(start_paused = true)]
async fn a_spent_token_is_followed_by_another() {
    for kind in [ErrorKind::Conflict, ErrorKind::AlreadyExists] {
        let mut steps = vec![Observe(Ok(vec![])), Create(failed(kind))];
        steps.extend((0..=20).map(|_| Observe(Ok(vec![]))));
        steps.extend([Create(Ok("a")), Finish("a", Ok(()))]);
        let script = Script::new(Unique::Token, steps);
        assert_eq!(script.play(&wanted()).await.unwrap(), "a");
        let attempts = script.attempts();
        assert_ne!(attempts[0].token, attempts[1].token);
    }
}

#[tokio::test(start_paused = true)]
async fn who_learns_late_of_the_dead_comes_to_the_same_token() {
    let dead = || vec![going("a", Life::Dead)];
    let finished = || [Create(Ok("b")), Finish("b", Ok(()))];
    let early = Script::new(Unique::Token, [Observe(Ok(dead()))].into_iter().chain(finished()));
    early.play(&wanted()).await.unwrap();

    let mut steps = vec![Observe(Ok(vec![])), Create(failed(ErrorKind::Conflict))];
    steps.extend((0..20).map(|_| Observe(Ok(vec![]))));
    steps.push(Observe(Ok(dead())));
    let late = Script::new(Unique::Token, steps.into_iter().chain(finished()));
    late.play(&wanted()).await.unwrap();
    assert_eq!(late.attempts()[1].token, early.attempts()[0].token);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_brings_back_the_dead_is_followed_by_another() {
    let mut steps =
        vec![Observe(Ok(vec![])), Create(Ok("old")), Finish("old", failed(ErrorKind::NotFound))];
    for _ in 1..20 {
        steps.extend([Observe(Ok(vec![])), Finish("old", failed(ErrorKind::NotFound))]);
    }
    steps.extend([Observe(Ok(vec![])), Create(Ok("new")), Finish("new", Ok(()))]);
    let script = Script::new(Unique::Token, steps);
    assert_eq!(script.play(&wanted()).await.unwrap(), "new");
    assert_eq!(script.start.elapsed(), SETTLE);
}

#[tokio::test(start_paused = true)]
async fn what_someone_removes_at_once_is_not_made_for_ever() {
    let removed = Observe(Ok(vec![going("a", Life::Dead)]));
    let script = Script::new(Unique::Tag, [Observe(Ok(vec![])), Create(Ok("a")), removed]);
    let error = script.play(&wanted().patience(Duration::ZERO)).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::No));
}

#[tokio::test(start_paused = true)]
async fn what_is_only_not_ready_is_not_made_again() {
    let mut steps = vec![Observe(Ok(vec![])), Create(Ok("a"))];
    for _ in 0..40 {
        steps.extend([Finish("a", failed(ErrorKind::Conflict)), Observe(Ok(vec![]))]);
    }
    steps.push(Finish("a", Ok(())));
    let script = Script::new(Unique::Token, steps);
    assert_eq!(script.play(&wanted()).await.unwrap(), "a");
    assert_eq!(script.start.elapsed(), 2 * SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_race_is_over_once_its_winner_is_old_enough() {
    let born = BEGIN.parse::<Timestamp>().unwrap() - Duration::from_secs(4);
    let young = Observed::new(
        "a",
        Life::Alive,
        Marks { born: Some(Born::new(born, 1)), ..marks(&small(), 1) },
    );
    let steps = [Observe(Ok(vec![young.clone()])), Observe(Ok(vec![young])), Finish("a", Ok(()))];
    let script = Script::new(Unique::Tag, steps);
    assert_eq!(script.play(&wanted()).await.unwrap(), "a");
    assert_eq!(script.start.elapsed(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_loser_removes_what_it_made_and_takes_the_winner() {
    let steps = [
        Observe(Ok(vec![])),
        Create(Ok("late")),
        ObserveMade("late", vec![ours("early")]),
        Discard("late", failed(ErrorKind::Timeout)),
        Discard("late", Ok(())),
        // A list that lags shows it still.
        ObserveMade("late", vec![ours("early")]),
        Finish("early", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Tag, steps).play(&wanted()).await.unwrap(), "early");
}

#[tokio::test(start_paused = true)]
async fn a_loser_that_cannot_be_removed_is_an_error() {
    let steps = [
        Observe(Ok(vec![])),
        Create(Ok("late")),
        ObserveMade("late", vec![ours("early")]),
        Discard("late", failed(ErrorKind::Unavailable)),
        Discard("late", failed(ErrorKind::Unavailable)),
        Discard("late", failed(ErrorKind::Forbidden)),
    ];
    let error = Script::new(Unique::Tag, steps).play(&wanted()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::Yes));
}

#[tokio::test(start_paused = true)]
async fn what_others_made_is_never_removed() {
    let steps =
        [Observe(Ok(vec![going("second", Life::Alive), ours("first")])), Finish("first", Ok(()))];
    assert_eq!(Script::new(Unique::Tag, steps).play(&wanted()).await.unwrap(), "first");
}

#[tokio::test(start_paused = true)]
async fn a_race_is_watched_through_passing_failures() {
    let steps = [
        Observe(Ok(vec![])),
        Create(Ok("a")),
        Observe(failed(ErrorKind::Throttled)),
        ObserveMade("a", vec![]),
        ObserveMade("a", vec![]),
        Finish("a", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Tag, steps).play(&wanted()).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_birth_in_the_far_future_delays_nobody_for_longer_than_a_race() {
    let born = Some(Born::new("2999-01-01T00:00:00Z".parse().unwrap(), 1));
    let ahead = Observed::new("a", Life::Alive, Marks { born, ..marks(&small(), 1) });
    let steps = [Observe(Ok(vec![ahead.clone()])), Observe(Ok(vec![ahead])), Finish("a", Ok(()))];
    let script = Script::new(Unique::Tag, steps);
    assert_eq!(script.play(&wanted()).await.unwrap(), "a");
    assert_eq!(script.start.elapsed(), SETTLE);
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_alias_taken_removes_its_own() {
    let steps = [
        Observe(Ok(vec![])),
        Create(Ok("late")),
        Finish("late", failed(ErrorKind::AlreadyExists)),
        Discard("late", Ok(())),
        Observe(Ok(vec![ours("early")])),
        Finish("early", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Alias, steps).play(&wanted()).await.unwrap(), "early");
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_alias_makes_no_more_until_the_winner_is_seen() {
    let steps = [
        Observe(Ok(vec![])),
        Create(Ok("late")),
        Finish("late", failed(ErrorKind::AlreadyExists)),
        Discard("late", Ok(())),
        // A list that lags shows neither the alias, nor that the loser is gone.
        ObserveMade("late", vec![]),
        ObserveMade("late", vec![]),
        Observe(Ok(vec![ours("early")])),
        Finish("early", Ok(())),
    ];
    assert_eq!(Script::new(Unique::Alias, steps).play(&wanted()).await.unwrap(), "early");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_yet_is_looked_at_again() {
    let steps =
        [Observe(failed(ErrorKind::Conflict)), Observe(Ok(vec![ours("a")])), Finish("a", Ok(()))];
    assert_eq!(Script::new(Unique::Name, steps).play(&wanted()).await.unwrap(), "a");
    let steps = [Observe(failed(ErrorKind::Conflict)), Observe(failed(ErrorKind::Conflict))];
    let hasty = wanted().patience(Duration::from_millis(1));
    let error = Script::new(Unique::Name, steps).play(&hasty).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::No));
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_without_its_alias_is_taken_up() {
    let unnamed = |id, born| Observed::unnamed(id, Life::Alive, marks(&small(), born));
    let other = Observed::unnamed("other", Life::Alive, marks(&small().field("size", 2), 0));
    let seen = vec![unnamed("second", 2), unnamed("first", 1), other];
    let steps = [Observe(Ok(seen)), Finish("first", Ok(()))];
    assert_eq!(Script::new(Unique::Alias, steps).play(&wanted()).await.unwrap(), "first");
}

#[tokio::test(start_paused = true)]
async fn a_birth_is_written_only_where_requests_may_differ() {
    for (unique, is_born) in
        [(Unique::Name, false), (Unique::Token, false), (Unique::Tag, true), (Unique::Alias, true)]
    {
        let script = Script::new(unique, [Observe(Ok(vec![])), Create(failed(ErrorKind::Invalid))]);
        script.play(&wanted()).await.unwrap_err();
        let marks = script.attempts()[0].marks.clone();
        assert_eq!(marks.born.is_some(), is_born, "{unique:?}");
        assert_eq!((marks.name.as_deref(), marks.stamp), (Some("web"), Some(small().stamp())));
    }
}

#[tokio::test(start_paused = true)]
async fn no_duration_is_too_long_or_too_short() {
    let forever = wanted().patience(Duration::MAX).settle(Duration::MAX).poll(Duration::MAX);
    let steps = [Observe(Ok(vec![])), Create(Ok("a")), Finish("a", Ok(()))];
    assert_eq!(Script::new(Unique::Name, steps).play(&forever).await.unwrap(), "a");
    let hasty = wanted().patience(Duration::ZERO).settle(Duration::ZERO).poll(Duration::ZERO);
    let steps =
        [Observe(Ok(vec![])), Create(Ok("a")), ObserveMade("a", vec![]), Finish("a", Ok(()))];
    assert_eq!(Script::new(Unique::Tag, steps).play(&hasty).await.unwrap(), "a");

    // A loop that waits for nothing would hold a paused clock.
    let dying = (0..=3).map(|_| Observe(Ok(vec![going("old", Life::Dying)])));
    let busy = wanted().patience(Duration::from_millis(3)).poll(Duration::ZERO);
    let error = Script::new(Unique::Name, dying).play(&busy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn sweep_reports_what_nobody_holds() {
    let now = BEGIN.parse::<Timestamp>().unwrap();
    let named = |name: &str, one: Observed<&'static str>| {
        let marks = Marks { name: Some(name.into()), ..one.marks.clone() };
        Observed { marks, ..one }
    };
    let born = |at: Timestamp, one: Observed<&'static str>| {
        let marks = Marks { born: Some(Born::new(at, 9)), ..one.marks.clone() };
        Observed { marks, ..one }
    };
    let observed = [
        // Two of one name: the later is one too many.
        named("two", ours("two-1")),
        named("two", born(now - SETTLE, ours("two-2"))),
        // It may be in a race.
        named("race", ours("race-1")),
        named("race", born(now - SETTLE / 2, ours("race-2"))),
        // Never finished; the other holds the alias.
        named("key", Observed { named: false, ..ours("key-1") }),
        named("held", Observed { named: false, ..ours("held-1") }),
        named("held", born(now, ours("held-2"))),
        // Out of the way, not ours, or not to be judged.
        named("gone", going("gone-1", Life::Dying)),
        named("gone", ours("gone-2")),
        named("shared", Observed::new("shared-1", Life::Alive, Marks::default())),
        named("shared", ours("shared-2")),
        Observed { marks: Marks { name: None, ..marks(&small(), 1) }, ..ours("nameless-1") },
        Observed { marks: Marks { name: None, ..marks(&small(), 2) }, ..ours("nameless-2") },
    ];
    let found: Vec<_> =
        sweep(&observed, now, SETTLE).into_iter().map(|it| (it.name, it.id, it.reason)).collect();
    assert_eq!(
        found,
        [
            ("held".to_owned(), "held-1", Reason::Duplicate { of: "held-2" }),
            ("key".to_owned(), "key-1", Reason::Unfinished),
            ("two".to_owned(), "two-2", Reason::Duplicate { of: "two-1" }),
        ]
    );
}

#[test]
fn a_call_can_be_spawned() {
    fn sendable<T: Send>(_: &T) {}
    let script = Script::new(Unique::Name, []);
    sendable(&ensure(&script, &wanted()));
}
