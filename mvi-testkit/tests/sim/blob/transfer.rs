//! Files up and down, as many parts at a time as was asked for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mvi_core::{
    BlobExt as _, Result,
    blob::{GetFile, PutFile},
    hook::{Call, Hook, Hooked},
};
use mvi_testkit::Weather;

use super::{get_of, least_part, pattern, put_to, sim_in};
use crate::{seconds, simulated};

/// Counts how many calls of one operation are under way, each of which takes a second.
#[derive(Debug)]
struct Crowd {
    op: &'static str,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn of(op: &'static str) -> Arc<Self> {
        Arc::new(Self { op, now: AtomicUsize::new(0), most: AtomicUsize::new(0) })
    }
}

impl Hook for Crowd {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        if call.op() != self.op {
            return next.await;
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(seconds(1)).await;
        let answer = next.await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[test]
fn parts_of_a_file_go_side_by_side_as_many_as_were_asked_for() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        let inner = Arc::new(sim.blob.clone());
        let dir = tempfile::tempdir().unwrap();
        let (film, copy) = (dir.path().join("film"), dir.path().join("copy"));
        let part = least_part();
        std::fs::write(&film, pattern(5 * part.len())).unwrap();
        for parallel in [1, 2, 4] {
            let crowd = Crowd::of("blob.upload_part");
            let blob = Hooked::new(Arc::clone(&inner), Arc::clone(&crowd));
            let put = PutFile::new(put_to("film"), &film).parallel(parallel);
            blob.put_file(put.part_bytes(part.len() as u64)).await.unwrap();
            assert_eq!(crowd.most.load(Ordering::SeqCst), parallel, "up");

            let crowd = Crowd::of("blob.get");
            let blob = Hooked::new(Arc::clone(&inner), Arc::clone(&crowd));
            let get = GetFile::new(get_of("film"), &copy).parallel(parallel);
            blob.get_file(get.part_bytes(part.len() as u64)).await.unwrap();
            assert_eq!(crowd.most.load(Ordering::SeqCst), parallel, "down");
            assert!(std::fs::read(&copy).unwrap() == pattern(5 * part.len()));
        }
    });
}
