//! What a container's cgroups cost: the time of each step of a start and stop, in microseconds (the
//! least, the median, and the greatest of some runs). Needs root.
//!
//! `cargo run --release -p lxc-host --example cgroup_times [RUNS]`
#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use lxc_host::cgroup::guest::Birth;
use lxc_host::cgroup::spec::{Family, Need, Setting};
use lxc_host::cgroup::{Base, Born, CgroupSpec, Hierarchies, MonitorLease, Names, NamesConfig, PayloadLease};
use lxc_sys::Op;
use lxc_sys::clone::{Child, Cloned, Request, clone};

const RULES: [(&str, &str); 12] = [
    ("devices.deny", "a"),
    ("devices.allow", "c *:* m"),
    ("devices.allow", "b *:* m"),
    ("devices.allow", "c 1:3 rwm"),
    ("devices.allow", "c 1:5 rwm"),
    ("devices.allow", "c 1:7 rwm"),
    ("devices.allow", "c 5:0 rwm"),
    ("devices.allow", "c 5:1 rwm"),
    ("devices.allow", "c 5:2 rwm"),
    ("devices.allow", "c 1:8 rwm"),
    ("devices.allow", "c 1:9 rwm"),
    ("devices.allow", "c 136:* rwm"),
];

fn spec(name: &str) -> Result<CgroupSpec, Box<dyn Error>> {
    let setting = |family: Family, (file, value): (&str, &str)| Setting {
        family,
        file: file.to_owned(),
        value: value.to_owned(),
        origin: format!("{file} = {value}"),
        need: Need::Required,
    };
    let v1 = RULES.into_iter().map(|rule| setting(Family::V1, rule));
    let v2 = RULES.into_iter().map(|rule| setting(Family::V2, rule));
    Ok(CgroupSpec {
        names: Names::resolve(&NamesConfig { name, ..NamesConfig::default() })?,
        settings: v1.chain(v2).collect(),
        owner: None,
        via: Default::default(),
    })
}

/// Runs a step and notes its time.
fn step<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    times.push(begun.elapsed());
    result
}

const STEPS: [&str; 13] = [
    "discover",
    "payload create",
    "payload birth",
    "clone, guest enters v1",
    "payload settle",
    "monitor create",
    "monitor enter v1",
    "prepare devices",
    "attach devices",
    "monitor enter unified",
    "kill and reap",
    "payload release",
    "monitor release",
];

/// Clones a process that enters the v1 groups by itself and then waits to be killed.
fn guest(payload: &PayloadLease, birth: Birth) -> Result<(Child, Born), Box<dyn Error>> {
    let (mut is_in, mut tell) = std::io::pipe()?;
    let (cloned, born) = clone(&Request { into_cgroup: payload.clone_into(), ..Request::default() })?;
    let Cloned::Monitor(child) = cloned else {
        if birth.enter().and_then(|()| Ok(tell.write_all(b".").op("write", "pipe")?)).is_ok() {
            std::thread::sleep(Duration::from_secs(100));
        }
        lxc_sys::process::leave(1)
    };
    drop(tell);
    is_in.read_exact(&mut [0])?;
    let inside = born == lxc_sys::clone::Birth::Requested;
    Ok((child, if inside { Born::Inside } else { Born::EntersV1 }))
}

fn run(name: &str) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::new();
    let spec = spec(name)?;
    let host = step(&mut times, || Hierarchies::discover(Base::Init, &[]))?;
    let mut payload = step(&mut times, || PayloadLease::create(&host, &spec))?;
    let birth = step(&mut times, || payload.birth())?;
    let (child, born) = step(&mut times, || guest(&payload, birth))?;
    step(&mut times, || payload.settle(child.pid(), born))?;
    let mut monitor = step(&mut times, || MonitorLease::create(&host, &spec.names))?;
    step(&mut times, || monitor.enter_v1())?;
    step(&mut times, || payload.prepare_devices())?;
    step(&mut times, || payload.attach_devices())?;
    step(&mut times, || monitor.enter_unified())?;
    step(&mut times, || {
        payload.kill_all();
        child.wait()
    })?;
    step(&mut times, || payload.release())?;
    step(&mut times, || monitor.release())?;
    Ok(times)
}

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(20);
    let mut all = vec![Vec::new(); STEPS.len()];
    for n in 0..runs {
        for (times, time) in all.iter_mut().zip(run(&format!("times-{}-{n}", std::process::id()))?) {
            times.push(time);
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    for (name, mut times) in STEPS.iter().zip(all) {
        times.sort();
        let at = |index: usize| times.get(index).map_or(0, Duration::as_micros);
        println!("{name:38} {:7} {:7} {:7}", at(0), at(times.len() / 2), at(times.len().saturating_sub(1)));
    }
    Ok(())
}
