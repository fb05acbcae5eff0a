//! Statements, blocks, macros and control flow are moved into the coroutine.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::go;

fn done() {}

fn main() {
    let numbers = vec![1, 2, 3];
    let sum = go! {
        let mut sum = 0;
        for number in numbers {
            sum += number;
        }
        sum
    };
    assert_eq!(sum.join().unwrap(), 6);

    // `return` ends the coroutine.
    let early = go! {
        for number in 0.. {
            if number == 7 {
                return number;
            }
        }
        unreachable!()
    };
    assert_eq!(early.join().unwrap(), 7);

    let limit = 2;
    go!(println!("{}", limit)).join().unwrap();
    assert_eq!(go!(format!("{limit}")).join().unwrap(), "2");
    assert_eq!(go!({ limit + 1 }).join().unwrap(), 3);
    assert_eq!(go!('block: { break 'block limit }).join().unwrap(), 2);
    assert_eq!(go!(if limit > 1 { "more" } else { "less" }).join().unwrap(), "more");
    assert_eq!(go!(match limit { 2 => "two", _ => "other" }).join().unwrap(), "two");
    go! {
        fn inner() {}
        inner()
    }
    .join()
    .unwrap();
    // Statements that end in a brace need no `;`.
    go! {
        if limit > 1 {
            done();
        }
        for _ in 0..limit {
            done();
        }
        limit
    }
    .join()
    .unwrap();
    go! { done(); };
    go! {
        let map: std::collections::HashMap<u8, u8> = std::collections::HashMap::new();
        assert!(map.is_empty());
    };
}
