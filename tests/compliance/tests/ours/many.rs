//! Many containers at once.

use std::time::Duration;

use compliance::{Bed, Container, Inventory};

const CONTAINERS: usize = 40;
const ROUNDS: usize = 5;

#[test]
fn two_hundred_starts_forty_at_a_time() {
    let bed = Bed::new();
    let config = "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up";
    let all: Vec<Container<'_>> = (0..CONTAINERS).map(|_| bed.container().config(config).make()).collect();
    let before = Inventory::of(&bed);
    for round in 0..ROUNDS {
        together(&all, "lxc-start", &[], round);
        for c in &all {
            assert_eq!(c.state(), "RUNNING", "round {round}");
        }
        together(&all, "lxc-stop", &["-k"], round);
        before.assert_restored(&bed);
    }
}

fn together(all: &[Container<'_>], tool: &str, args: &[&str], round: usize) {
    let running: Vec<_> =
        all.iter().map(|c| c.run(tool, args).limit(Duration::from_secs(60)).spawn()).collect();
    for one in running {
        let out = one.output();
        assert_eq!(out.code, 0, "round {round}: {}: {}", out.command, out.stderr);
    }
}

#[test]
fn twenty_rivals_for_one_name() {
    let bed = Bed::new();
    let c = bed.container().make();
    let running: Vec<_> = (0..20).map(|_| c.run("lxc-start", &[]).spawn()).collect();
    let codes: Vec<i32> = running.into_iter().map(|one| one.output().code).collect();
    assert!(codes.contains(&0), "{codes:?}");
    assert_eq!(c.state(), "RUNNING");
    assert_eq!(
        bed.host(&format!("grep -c @/var/lib/lxc/{}/command /proc/1/net/unix || true", c.name())),
        "1"
    );
    c.kill();
}
