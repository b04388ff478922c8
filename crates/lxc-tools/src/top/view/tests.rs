//! The live page without a terminal.

use std::time::{Duration, SystemTime};

use lxc_core::{Stall, Transfers};
use ratatui_core::layout::Rect;

use super::super::sample::Sample;
use super::*;

fn round(at: Instant, containers: Vec<(&str, Stats)>) -> Round {
    let sample = |(name, stats): (&str, Stats)| Sample {
        name: name.parse().unwrap(),
        stats,
        links: vec![LinkStats { host_name: "v".into(), tx_bytes: 0, rx_bytes: 0 }],
    };
    Round { time: SystemTime::now(), at, containers: containers.into_iter().map(sample).collect() }
}

fn stats(cpu: u64, memory: u64) -> Stats {
    let some = Stall { avg10: 1234, ..Stall::default() };
    Stats {
        cpu: Some(cpu),
        cpu_user: Some(cpu),
        cpu_system: Some(0),
        memory: Some(memory),
        kernel_memory: Some(1000),
        io_bytes: Some(Transfers::default()),
        pids: Some(3),
        cpu_pressure: Some(Pressure { some, ..Pressure::default() }),
        ..Stats::default()
    }
}

/// Three containers after two looks, two seconds apart.
fn view(order: Order) -> View {
    let mut view = View { order, rows: Vec::new(), offset: 0, unicode: true, color: true };
    let begin = Instant::now();
    view.take(round(
        begin,
        vec![("a", stats(0, 5 << 20)), ("b", stats(0, 9 << 20)), ("c", stats(0, 1 << 20))],
    ));
    let second = 1_000_000_000;
    view.take(round(
        begin + Duration::from_secs(2),
        vec![("a", stats(second, 5 << 20)), ("b", stats(0, 9 << 20)), ("c", stats(second / 2, 1 << 20))],
    ));
    view
}

fn page(view: &mut View, width: u16, height: u16) -> Vec<String> {
    let mut page = Buffer::empty(Rect::new(0, 0, width, height));
    view.draw(&mut page);
    let cells: Vec<&str> = page.content.iter().map(|cell| cell.symbol()).collect();
    cells.chunks(width.into()).map(|line| line.concat().trim_end().to_owned()).collect()
}

#[test]
fn a_page_of_80_by_24() {
    let lines = page(&mut view(Order { key: SortKey::Cpu, reverse: false }), 80, 24);
    assert_eq!(lines.len(), 24);
    assert!(lines[0].starts_with("3 running   CPU 75.0%   MEM 15M   TASKS 9"), "{}", lines[0]);
    assert_eq!(lines[1], "NAME      CPU%▾   MEM  READ/s WRIT/s TASKS PSI:CPU PSI:MEM PSI:IO CPU HISTORY");
    assert_eq!(lines[2], "a          50.0  5.0M       0      0     3    12.3       -      -              █");
    assert_eq!(lines[3], "c          25.0  1.0M       0      0     3    12.3       -      -              █");
    assert_eq!(lines[4], "b           0.0  9.0M       0      0     3    12.3       -      -");
    assert!(lines[5].is_empty());
    assert_eq!(lines[23], "q quit  r reverse  n name  c cpu  b disk  m mem  s mem+swap  k kernel   1-3 of 3");
}

#[test]
fn wide_pages_show_more() {
    let lines = page(&mut view(Order::default()), 200, 50);
    for title in ["NAME▴", "USER%", "SYS%", "SWAP", "KMEM", "RX/s", "TX/s", "CPU HISTORY"] {
        assert!(lines[1].contains(title), "{title}: {}", lines[1]);
    }
    assert_eq!(lines[2..5].iter().map(|line| &line[..1]).collect::<String>(), "abc");
}

#[test]
fn keys_sort() {
    let mut view = view(Order::default());
    let mut names = |key| {
        view.press(key);
        page(&mut view, 80, 24)[2..5].iter().map(|line| line[..1].to_owned()).collect::<String>()
    };
    assert_eq!(names(b'c'), "acb");
    assert_eq!(names(b'c'), "bca");
    assert_eq!(names(b'm'), "bac");
    assert_eq!(names(b'r'), "cab");
    assert_eq!(names(b'n'), "abc");
    assert_eq!(names(b'x'), "abc", "no key");
    assert_eq!(names(b'n'), "cba");
}

#[test]
fn small_pages_hold_what_fits() {
    let mut view = view(Order::default());
    for (width, height) in [(1, 1), (5, 2), (10, 3), (20, 4), (40, 10), (79, 5)] {
        assert_eq!(page(&mut view, width, height).len(), usize::from(height));
    }
    let lines = page(&mut view, 80, 5);
    assert!(lines[2].starts_with('a') && lines[3].starts_with('b'));
    assert!(lines[4].ends_with("1-2 of 3"), "{}", lines[4]);
    view.scroll(i32::MAX);
    let lines = page(&mut view, 80, 5);
    assert!(lines[2].starts_with('b') && lines[3].starts_with('c'));
    assert!(lines[4].ends_with("2-3 of 3"), "{}", lines[4]);
    view.scroll(-1);
    assert!(page(&mut view, 80, 5)[2].starts_with('a'));
}

#[test]
fn containers_come_and_go() {
    let mut view = view(Order::default());
    view.take(round(Instant::now(), vec![("b", stats(5, 0)), ("new", stats(7, 0))]));
    let lines = page(&mut view, 80, 24);
    assert!(lines[2].starts_with('b') && lines[3].starts_with("new"));
    assert!(lines[3].contains("  - "), "no rate yet: {}", lines[3]);
    view.take(round(Instant::now(), Vec::new()));
    let lines = page(&mut view, 80, 24);
    assert_eq!(lines[2], "No container is running.");
    assert!(lines[23].ends_with("0-0 of 0"), "{}", lines[23]);
}

#[test]
fn a_counter_that_goes_back_is_no_rate() {
    let mut view =
        View { order: Order::default(), rows: Vec::new(), offset: 0, unicode: false, color: false };
    let begin = Instant::now();
    view.take(round(begin, vec![("a", stats(1000, 1))]));
    view.take(round(begin + Duration::from_secs(1), vec![("a", stats(10, 1))]));
    assert_eq!(view.rows[0].rates.cpu, None);
}

#[test]
fn sizes() {
    for (bytes, shown) in [
        (0, "0"),
        (812, "812B"),
        (1000, "1.0K"),
        (4096, "4.0K"),
        (286_720, "280K"),
        (1_023_000, "999K"),
        (5 << 20, "5.0M"),
        (1 << 30, "1.0G"),
        (u64::MAX, "16E"),
    ] {
        assert_eq!(size_of(bytes), shown);
    }
}

#[test]
fn lines_of_history() {
    let history = VecDeque::from([0.0, 12.5, 25.0, 100.0]);
    assert_eq!(line(&history, 6, true), "   ▁▂█");
    assert_eq!(line(&history, 2, true), "▂█");
    assert_eq!(line(&history, 4, false), " ..#");
}

#[test]
fn columns_never_overlap() {
    for width in 10..260 {
        for longest in [0, 8, 20, 300] {
            let columns = layout(width, longest);
            for pair in columns.windows(2) {
                assert_eq!(pair[0].x + pair[0].width + 1, pair[1].x);
            }
            let last = columns.last().unwrap();
            assert!(width < 24 || last.x + last.width <= width, "{width} {longest}: {columns:?}");
        }
    }
}
