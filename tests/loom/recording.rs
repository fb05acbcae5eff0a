//! How a thread records what others may read meanwhile: `mco/src/trace/ring.rs`, in small.

use loom::sync::Arc;
use loom::thread;

use mco_tests::child;

use super::explore;

/// `mco/src/trace/ring.rs` takes its atomics from beside itself.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

/// A ring, so that a wrong one can be put in its place.
trait Ring: Send + Sync + 'static {
    fn new() -> Self;
    fn write_one(&self, word: u64);
    fn write_two(&self, words: [u64; 2]);
    /// The chunks, and how many words are missing before them.
    fn copy(&self) -> (Vec<Vec<u64>>, u64);
}

macro_rules! ring {
    ($module:ident, $file:literal) => {
        #[allow(
            dead_code,
            unsafe_code,
            reason = "the models use most of it; what it says of it holds"
        )]
        mod $module {
            include!(concat!(env!("OUT_DIR"), $file));

            fn zeroed(words: usize) -> Box<[AtomicU64]> {
                (0..words).map(|_| AtomicU64::new(0)).collect()
            }

            fn prefetch(_: *const (), _: usize) {}

            impl super::Ring for Ring {
                fn new() -> Ring {
                    // Two chunks.
                    Ring::new(2 * CHUNK)
                }

                fn write_one(&self, word: u64) {
                    self.write([word]);
                }

                fn write_two(&self, words: [u64; 2]) {
                    self.write(words);
                }

                fn copy(&self) -> (Vec<Vec<u64>>, u64) {
                    let copied = Ring::copy(self);
                    (copied.chunks().map(<[u64]>::to_vec).collect(), copied.missing)
                }
            }
        }
    };
}

ring!(right, "/ring.rs");
ring!(hasty, "/no_fence_ring.rs");
ring!(careless, "/stale_head_ring.rs");

/// Records of two words, the second of which is the first one's tenfold. Or of one, which is odd.
fn assert_whole(chunks: &[Vec<u64>]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for chunk in chunks {
        match chunk[..] {
            [even, tenfold] if even % 2 == 0 => {
                assert_eq!(tenfold, 10 * even, "a record is not whole");
                numbers.push(even);
            }
            // The rest is empty.
            [odd] | [odd, 0] => {
                assert_eq!(odd % 2, 1, "a record is not whole");
                numbers.push(odd);
            }
            _ => panic!("a record is not whole"),
        }
    }
    numbers
}

/// Others read while so many records are written, from the second lap on.
fn records_are_whole<R: Ring>(records: u64) {
    let ring = Arc::new(R::new());
    // Each fills a chunk.
    [2, 4].into_iter().for_each(|number| ring.write_two([number, 10 * number]));
    let writer = ring.clone();
    let writes = thread::spawn(move || {
        (3..3 + records).map(|number| 2 * number).for_each(|number| {
            writer.write_two([number, 10 * number]);
        });
    });
    let (chunks, missing) = ring.copy();
    let numbers = assert_whole(&chunks);
    assert!(numbers.windows(2).all(|pair| pair[0] + 2 == pair[1]), "one is missing");
    if let Some(first) = numbers.first() {
        assert_eq!(missing, first - 2, "they are not where they are said to be");
    }
    writes.join().unwrap();
}

#[test]
fn what_is_read_while_others_write_is_whole() {
    explore(2, || records_are_whole::<right::Ring>(1));
    explore(2, || records_are_whole::<right::Ring>(2));
}

#[test]
fn a_chunk_that_is_filled_up_ends_where_it_says() {
    explore(2, || {
        let ring = Arc::new(<right::Ring as Ring>::new());
        let writer = ring.clone();
        let writes = thread::spawn(move || {
            writer.write_one(1);
            // Does not fit.
            writer.write_two([2, 20]);
            writer.write_two([4, 40]);
        });
        assert_whole(&Ring::copy(&*ring).0);
        writes.join().unwrap();
        assert_eq!(assert_whole(&Ring::copy(&*ring).0), [4]);
    });
}

#[test]
fn a_writer_without_its_fence_shows_a_record_too_soon() {
    // In a process of its own: what loom prints is no fault of this one.
    let end = child::run(|| explore(2, || records_are_whole::<hasty::Ring>(2)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("a record is not whole");
}

#[test]
fn a_reader_that_looks_once_takes_what_was_overwritten() {
    let end = child::run(|| explore(2, || records_are_whole::<careless::Ring>(2)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("a record is not whole");
}
