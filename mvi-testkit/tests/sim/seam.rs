//! Faults at the seam, over any provider.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use mvi_core::{
    Applied, Cloud, ErrorKind, Kv, Result,
    hook::{Hooked, Plane, Timeout},
    kv::{Condition, Get, Item, Key, Put, Query, Record},
};
use mvi_testkit::{Fault, Faults, Lost, Sim, Weather};

use super::{cloud_in, link, links, make_tables, seconds, simulated, visits};

async fn is_there(sim: &Sim, code: &str) -> bool {
    sim.kv.get(Get::new(links(), code).strong()).await.unwrap().is_some()
}

/// Five visits of one user, through the seam.
async fn with_visits(fault: Fault) -> (Sim, Cloud) {
    let (sim, cloud) = cloud_in(Weather::calm()).await;
    for at in 0..5 {
        sim.kv.put(Put::new(visits(), Key::sorted("ann", at), Item::new())).await.unwrap();
    }
    sim.faults().inject(fault);
    (sim, cloud)
}

async fn all_visits(cloud: &Cloud) -> Vec<Result<Record>> {
    cloud.kv.query(Query::new(visits(), "ann")).collect().await
}

#[test]
fn a_refused_call_is_not_applied() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        sim.faults().inject(Fault::refuse("kv.put", ErrorKind::Throttled).times(1));
        let error = cloud.kv.put(link("gh")).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
        assert_eq!((error.op(), error.resource()), ("kv.put", "links"));
        assert!(!is_there(&sim, "gh").await);
        cloud.kv.put(link("gh")).await.unwrap();
    });
}

#[test]
fn a_call_whose_answer_is_lost_is_applied_and_nobody_knows() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        for (code, lost, kind) in [
            ("timeout", Lost::Timeout, ErrorKind::Timeout),
            ("reset", Lost::Reset, ErrorKind::Unavailable),
            ("internal", Lost::Internal, ErrorKind::Internal),
        ] {
            sim.faults().inject(Fault::lose("kv.put", lost).times(1));
            let error = cloud.kv.put(link(code)).await.unwrap_err();
            assert_eq!((error.kind(), error.applied()), (kind, Applied::Unknown));
            assert!(is_there(&sim, code).await, "{code} was not applied");
        }
        sim.faults().inject(Fault::lose("kv.get", Lost::Timeout).times(1));
        let error = cloud.kv.get(Get::new(links(), "timeout")).await.unwrap_err();
        assert_eq!(error.applied(), Applied::No, "a read changes nothing");
    });
}

#[test]
fn every_mutation_can_lose_its_answer() {
    for op in mvi_core::kv::OPS.iter().filter(|it| it.mutates()) {
        simulated(move || async move {
            let (sim, cloud) = cloud_in(Weather::calm()).await;
            sim.kv.put(link("old")).await.unwrap();
            sim.faults().inject(Fault::lose(op.name(), Lost::Timeout));
            let kv = &cloud.kv;
            let name = mvi_core::Name::new("fresh").unwrap();
            let fresh = mvi_core::kv::CreateTable::new(name, mvi_core::kv::Attr::text("id"));
            let update = mvi_core::kv::Update::new(links(), "new").set("owner", "bob");
            let failed = match op.name() {
                "kv.create_table" => kv.create_table(fresh).await.is_err(),
                "kv.delete_table" => kv.delete_table(&links()).await.is_err(),
                "kv.put" => kv.put(link("new")).await.is_err(),
                "kv.update" => kv.update(update).await.is_err(),
                "kv.delete" => kv.delete(mvi_core::kv::Delete::new(links(), "old")).await.is_err(),
                "kv.write_many" => {
                    kv.write_many(mvi_core::kv::WriteMany::new([link("new")])).await.is_err()
                }
                "kv.transact" => {
                    kv.transact(mvi_core::kv::Transact::new().step(link("new"))).await.is_err()
                }
                other => panic!("{other} is new: lose its answer here"),
            };
            assert!(failed, "{} had its answer", op.name());
            let applied = match op.name() {
                "kv.create_table" => {
                    sim.kv.table(&mvi_core::Name::new("fresh").unwrap()).await.is_ok()
                }
                "kv.delete_table" => sim.kv.table(&links()).await.is_err(),
                "kv.delete" => !is_there(&sim, "old").await,
                _ => is_there(&sim, "new").await,
            };
            assert!(applied, "{} was not applied", op.name());
        });
    }
}

#[test]
fn a_delayed_call_takes_longer_and_a_silent_one_ends_with_the_callers_patience() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        sim.faults().inject(Fault::delay("kv.put", seconds(3)).times(1));
        cloud.kv.put(link("slow")).await.unwrap();
        assert_eq!(sim.elapsed(), seconds(3));

        sim.faults().inject(Fault::never_answer("kv.put").times(1));
        let patient = cloud.hooked(Timeout::after(seconds(30)));
        let error = patient.kv.put(link("silent")).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
        assert_eq!(sim.elapsed(), seconds(33));
        assert!(is_there(&sim, "silent").await);
        let silence = &sim.faults().recoveries()[1];
        assert_eq!(silence.time_to_detect(), Some(seconds(30)), "{silence}");
    });
}

#[test]
fn a_stream_is_cut_where_the_fault_says() {
    simulated(|| async {
        let (_sim, cloud) = with_visits(Fault::cut("kv.query", 2).times(1)).await;
        let seen = all_visits(&cloud).await;
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(seen[..2].iter().all(Result::is_ok));
        assert_eq!(all_visits(&cloud).await.len(), 5);

        let (_sim, cloud) = with_visits(Fault::cut("kv.query", 5)).await;
        let seen = all_visits(&cloud).await;
        assert!(seen.len() == 6 && seen[5].is_err(), "its end is cut: {seen:?}");
    });
}

#[test]
fn an_item_of_a_stream_is_lost_repeated_or_fails() {
    simulated(|| async {
        let sorts = |seen: &[Result<Record>]| {
            seen.iter().flatten().map(|it| it.key.sort.clone().unwrap()).collect::<Vec<_>>()
        };
        let ints = |ints: &[i32]| ints.iter().map(|it| (*it).into()).collect::<Vec<_>>();

        let (_sim, cloud) = with_visits(Fault::drop_item("kv.query", 1)).await;
        assert_eq!(sorts(&all_visits(&cloud).await), ints(&[0, 2, 3, 4]));

        let (_sim, cloud) = with_visits(Fault::repeat_item("kv.query", 1)).await;
        assert_eq!(sorts(&all_visits(&cloud).await), ints(&[0, 1, 1, 2, 3, 4]));

        let fault = Fault::fail_item("kv.query", 1, ErrorKind::Internal);
        let (sim, cloud) = with_visits(fault).await;
        let seen = all_visits(&cloud).await;
        assert_eq!(sorts(&seen), ints(&[0]));
        assert_eq!(seen[1].as_ref().unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(seen.len(), 2, "an error ends the stream");
        assert_eq!(sim.faults().injected()[0].item, Some(1));
    });
}

#[test]
fn a_fault_befalls_only_the_calls_that_it_is_for() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        let refuse = |op: &str| Fault::refuse(op, ErrorKind::Forbidden);
        let puts = |n| {
            let cloud = cloud.clone();
            async move {
                let mut ok = Vec::new();
                for _ in 0..n {
                    ok.push(cloud.kv.put(link("gh")).await.is_ok());
                }
                ok
            }
        };
        sim.faults().inject(refuse("kv.put").nth(3));
        assert_eq!(puts(5).await, [true, true, false, true, true]);
        sim.faults().inject(refuse("kv.put").times(2));
        assert_eq!(puts(4).await, [false, false, true, true]);

        sim.faults().inject(refuse("kv.*").on("visits"));
        assert_eq!(puts(1).await, [true]);
        assert!(cloud.kv.table(&visits()).await.is_err());
        sim.faults().heal();
        assert!(cloud.kv.table(&visits()).await.is_ok());

        sim.faults().inject(refuse("blob.*"));
        assert_eq!(puts(1).await, [true]);
        sim.faults().inject(refuse("*"));
        assert_eq!(puts(1).await, [false]);
    });
}

#[test]
fn a_fault_of_chance_is_its_seeds() {
    let fates = |seed| {
        simulated(move || async move {
            let faults =
                Faults::new(seed).with(Fault::refuse("kv.get", ErrorKind::Unavailable).chance(0.3));
            let kv = Arc::new(mvi_testkit::kv());
            make_tables(&*kv).await.unwrap();
            let kv = Hooked::new(kv, faults);
            let mut fates = Vec::new();
            for _ in 0..200 {
                fates.push(kv.get(Get::new(links(), "gh")).await.is_ok());
            }
            fates
        })
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    let failed = fates(1).into_iter().filter(|ok| !ok).count();
    assert!((30..90).contains(&failed), "{failed} of 200 failed, wanted about 60");
}

#[test]
fn a_window_opens_closes_and_tells_how_the_app_took_it() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        let outage = Fault::refuse("kv.put", ErrorKind::Unavailable);
        sim.faults().inject(outage.between(seconds(10)..seconds(40)));
        for second in 0..60 {
            let ok = cloud.kv.put(link("gh")).await.is_ok();
            assert_eq!(ok, !(10..40).contains(&second), "at {second} s");
            sim.sleep(seconds(1)).await.unwrap();
        }
        let recovery = &sim.faults().recoveries()[0];
        assert_eq!(recovery.injected, 30);
        assert_eq!(recovery.time_to_detect(), Some(Duration::ZERO));
        assert_eq!(recovery.time_to_restore(), Some(seconds(30)));
        assert_eq!(
            recovery.to_string(),
            "refuse kv.put as Unavailable from 10s to 40s: 30 injected, detected after 0ns, restored after 30s"
        );
    });
}

#[test]
fn an_app_that_asks_rarely_detects_and_restores_late() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        sim.outage(Some(Plane::Data), seconds(10)..seconds(40));
        sim.faults().inject(Fault::refuse("kv.get", ErrorKind::Throttled).heals_after(seconds(5)));
        for _ in 0..10 {
            sim.sleep(seconds(7)).await.unwrap();
            let _ = cloud.kv.put(link("gh")).await;
            let _ = cloud.kv.table(&links()).await.unwrap();
        }
        let [outage, unmet] = &*sim.faults().recoveries() else { panic!("two faults") };
        // It asks at 14 s, and finds it healed at 42 s.
        assert_eq!(outage.time_to_detect(), Some(seconds(4)), "{outage}");
        assert_eq!(outage.time_to_restore(), Some(seconds(32)), "{outage}");
        assert_eq!((unmet.began, unmet.restored), (None, None), "{unmet}");

        for second in [71, 73, 75, 77] {
            let ok = cloud.kv.get(Get::new(links(), "gh")).await.is_ok();
            assert_eq!(ok, second > 75, "at {second} s");
            sim.sleep(seconds(2)).await.unwrap();
        }
    });
}

#[test]
fn an_app_that_never_recovers_is_told_so() {
    simulated(|| async {
        let (sim, cloud) = cloud_in(Weather::calm()).await;
        sim.faults().inject(Fault::refuse("kv.put", ErrorKind::Forbidden));
        assert!(cloud.kv.put(link("gh").only_if(Condition::Absent)).await.is_err());
        let recovery = &sim.faults().recoveries()[0];
        assert_eq!((recovery.healed, recovery.time_to_restore()), (None, None));
        assert!(recovery.to_string().ends_with("not restored"), "{recovery}");
    });
}
