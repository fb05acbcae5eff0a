//! `cdbc-sqlite` in coroutines, in memory and on a file.

use std::time::Duration;

use cdbc::Executor;
use cdbc::query::query;
use cdbc::row::Row;
use cdbc_sqlite::{Sqlite, SqlitePool, SqlitePoolOptions};
use mco::std::sync::Semaphore;
use mco::std::time::timeout;

const COROUTINES: i64 = 50;

/// Each coroutine inserts, in a transaction of its own, every third of which is rolled back.
fn used_by_many_at_once(url: &str) {
    let pool = SqlitePoolOptions::new().max_connections(1).connect(url).unwrap();
    pool.acquire().unwrap().execute("CREATE TABLE numbers (n INTEGER NOT NULL)").unwrap();
    // Not the pool's own: see below.
    let connections = Semaphore::new(1);
    mco::scope(|s| {
        for n in 0..COROUTINES {
            let (pool, connections) = (pool.clone(), &connections);
            s.spawn(move || {
                connections.wait();
                let mut transaction = pool.begin().unwrap();
                let insert = query::<Sqlite>("INSERT INTO numbers (n) VALUES (?)").bind(n);
                insert.execute(&mut *transaction).unwrap();
                if n % 3 == 0 { transaction.rollback() } else { transaction.commit() }.unwrap();
                // It gives the connection back.
                drop(transaction);
                connections.post();
            });
        }
    });
    let mut connection = pool.acquire().unwrap();
    let error = connection.execute("SELECT n FROM nowhere").unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    let row = query::<Sqlite>("SELECT COUNT(*), SUM(n) FROM numbers").fetch_one(&mut *connection);
    let row = row.unwrap();
    let kept = (0..COROUTINES).filter(|n| n % 3 != 0);
    let (count, sum): (i64, i64) = (row.try_get(0).unwrap(), row.try_get(1).unwrap());
    assert_eq!((count, sum), (kept.clone().count() as i64, kept.sum()));
}

#[test]
fn in_memory() {
    used_by_many_at_once("sqlite::memory:");
}

#[test]
fn on_a_file() {
    let path = std::env::temp_dir().join(format!("mco-published-{}.db", std::process::id()));
    std::fs::File::create(&path).unwrap();
    used_by_many_at_once(&format!("sqlite://{}", path.display()));
    std::fs::remove_file(path).unwrap();
}

/// What is wrong with `cdbc` itself, on every mco: a waiter that its `BoxSemaphore` wakes does not take the permit that
/// was added for it, so the next release takes the pool for full and wakes nobody. Who uses a pool with more coroutines
/// than connections bounds them by a semaphore of mco's, as above.
#[test]
fn the_pool_of_cdbc_forgets_who_waits() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").unwrap();
    let first = pool.acquire().unwrap();
    let acquires = |pool: SqlitePool| mco::spawn(move || drop(pool.acquire().unwrap()));
    let second = acquires(pool.clone());
    mco::sleep(Duration::from_millis(100));
    let third = acquires(pool.clone());
    mco::sleep(Duration::from_millis(100));
    drop(first);
    second.wait();
    let forgotten = timeout(Duration::from_secs(2), || third.wait());
    assert!(forgotten.is_err(), "`cdbc` has been mended: drop this test, and the semaphore above");
    third.cancel();
    third.wait();
}
