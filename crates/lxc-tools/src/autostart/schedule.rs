//! In which order containers are started or stopped. Nothing here looks at the host.

use std::cmp::{Ordering, Reverse};

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Low orders first, and before each container those that it is after.
    Up,
    /// The other way round.
    Down,
}

/// What the order depends on.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The container's name.
    pub name: String,
    /// `lxc.start.order`.
    pub order: i32,
    /// `lxc.group`.
    pub groups: Vec<String>,
    /// `lxc.start.after`.
    pub after: Vec<String>,
}

/// A container at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which of the items.
    pub item: usize,
    /// Steps of a lower stage have to be done before this one begins.
    pub stage: usize,
    /// Earlier steps that have to be done before this one begins.
    pub needs: Vec<usize>,
}

/// Containers that wait for each other, the first one again at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

/// What `-g` asks for: each entry is a pass, `None` for the containers without a group. As upstream, an empty
/// entry ends its list.
pub fn passes(lists: &[String]) -> Vec<Option<String>> {
    let mut passes = Vec::new();
    for list in lists {
        for entry in list.split(',') {
            passes.push((!entry.is_empty()).then(|| entry.to_owned()));
            if entry.is_empty() {
                break;
            }
        }
    }
    if passes.is_empty() {
        passes.push(None);
    }
    passes
}

/// Whether a container is of this pass. As upstream, a group of the container's need only be the beginning of the
/// group that is asked for.
fn is_in(groups: &[String], pass: Option<&str>) -> bool {
    match pass {
        None => groups.is_empty(),
        Some(wanted) => groups.iter().any(|group| wanted.starts_with(group.as_str())),
    }
}

/// The steps for `items`, which are sorted by name. `passes` of `None` takes all of them at once.
///
/// # Errors
/// Containers that are after each other.
pub fn plan(
    items: &[Item],
    passes: Option<&[Option<String>]>,
    direction: Direction,
) -> Result<Vec<Step>, Cycle> {
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    for (item, of) in items.iter().enumerate() {
        let pass = match passes {
            None => Some(0),
            Some(passes) => passes.iter().position(|pass| is_in(&of.groups, pass.as_deref())),
        };
        chosen.extend(pass.map(|pass| (pass, item)));
    }
    chosen.sort_by(|(pass_a, a), (pass_b, b)| {
        pass_a.cmp(pass_b).then_with(|| compare(&items[*a], &items[*b], direction))
    });
    let edges = edges(items, &chosen, direction);
    let mut walk =
        Walk { edges: &edges, marks: vec![Mark::New; items.len()], path: Vec::new(), steps: Vec::new() };
    let mut last = None;
    let mut stage = 0;
    for (pass, item) in &chosen {
        let rank = (*pass, items[*item].order);
        if last.is_some_and(|last| last != rank) {
            stage += 1;
        }
        last = Some(rank);
        walk.visit(*item, stage)?;
    }
    Ok(walk.steps)
}

/// Upstream's order within a pass.
fn compare(a: &Item, b: &Item, direction: Direction) -> Ordering {
    match direction {
        Direction::Up => (a.order, &a.name).cmp(&(b.order, &b.name)),
        Direction::Down => Reverse(a.order)
            .cmp(&Reverse(b.order))
            .then_with(|| backwards(a.name.as_bytes(), b.name.as_bytes())),
    }
}

/// Names backwards, but a name before those that begin with it.
fn backwards(a: &[u8], b: &[u8]) -> Ordering {
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((x, y)) => y.cmp(x),
        None => a.len().cmp(&b.len()),
    }
}

/// For each item those of the chosen ones that have to be done before it.
fn edges(items: &[Item], chosen: &[(usize, usize)], direction: Direction) -> Vec<Vec<usize>> {
    let mut edges = vec![Vec::new(); items.len()];
    for (_, item) in chosen {
        for (_, other) in chosen {
            if item != other && items[*item].after.contains(&items[*other].name) {
                match direction {
                    Direction::Up => edges[*item].push(*other),
                    Direction::Down => edges[*other].push(*item),
                }
            }
        }
        if items[*item].after.contains(&items[*item].name) {
            edges[*item].push(*item);
        }
    }
    edges
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Step(usize),
}

/// Depth first, so that what is needed stands before what needs it, and keeps its place otherwise.
struct Walk<'a> {
    edges: &'a [Vec<usize>],
    marks: Vec<Mark>,
    path: Vec<usize>,
    steps: Vec<Step>,
}

impl Walk<'_> {
    fn visit(&mut self, item: usize, stage: usize) -> Result<usize, Cycle> {
        match self.marks[item] {
            Mark::Step(step) => return Ok(step),
            Mark::Open => {
                let begin = self.path.iter().position(|open| *open == item).unwrap_or(0);
                let mut cycle = self.path.split_off(begin);
                cycle.push(item);
                return Err(Cycle(cycle));
            }
            Mark::New => {}
        }
        self.marks[item] = Mark::Open;
        self.path.push(item);
        let mut needs = Vec::new();
        for needed in &self.edges[item] {
            needs.push(self.visit(*needed, stage)?);
        }
        self.path.pop();
        self.marks[item] = Mark::Step(self.steps.len());
        self.steps.push(Step { item, stage, needs });
        Ok(self.steps.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, order: i32, groups: &str, after: &str) -> Item {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Item { name: name.to_owned(), order, groups: words(groups), after: words(after) }
    }

    fn names(items: &[Item], passes: Option<&[Option<String>]>, direction: Direction) -> String {
        let steps = plan(items, passes, direction).unwrap();
        steps.iter().map(|step| items[step.item].name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn upstreams_order() {
        let items = [
            item("a", 1, "", ""),
            item("ab", 1, "", ""),
            item("abb", 2, "", ""),
            item("abc", 1, "", ""),
            item("b", 1, "", ""),
        ];
        assert_eq!(names(&items, None, Direction::Up), "a ab abc b abb");
        assert_eq!(names(&items, None, Direction::Down), "abb b a ab abc");
    }

    #[test]
    fn upstreams_groups() {
        let items = [
            item("a", -1, "", ""),
            item("c1", 5, "", ""),
            item("c10", 0, "on web,db", ""),
            item("c2", 0, "onboot", ""),
            item("z", -1, "web db", ""),
        ];
        for (list, want) in [
            ("onboot", "c10 c2"),
            ("onboot,", "c10 c2 a c1"),
            ("", "a c1"),
            (",web", "a c1"),
            ("web,onboot,db", "z c10 c2"),
            ("web,,onboot", "z a c1"),
            ("o", ""),
            ("webx", "z"),
        ] {
            let passes = passes(&[list.to_owned()]);
            assert_eq!(names(&items, Some(&passes), Direction::Up), want, "{list}");
        }
        let twice = passes(&["web".to_owned(), "db".to_owned()]);
        assert_eq!(names(&items, Some(&twice), Direction::Up), "z");
        assert_eq!(passes(&[]), [None]);
    }

    #[test]
    fn after_goes_before_order() {
        let items =
            [item("db", 9, "", ""), item("log", 9, "", ""), item("web", 1, "", "db"), item("x", 2, "", "")];
        assert_eq!(names(&items, None, Direction::Up), "db web x log");
        assert_eq!(names(&items, None, Direction::Down), "log web db x");
        let steps = plan(&items, None, Direction::Up).unwrap();
        assert_eq!(steps[1], Step { item: 2, stage: 0, needs: vec![0] });
        assert_eq!(steps.iter().map(|step| step.stage).collect::<Vec<_>>(), [0, 0, 1, 2]);
    }

    #[test]
    fn after_counts_among_the_chosen_only() {
        let items = [item("db", 0, "other", ""), item("web", 1, "", "db nosuch")];
        assert_eq!(names(&items, Some(&[None]), Direction::Up), "web");
    }

    #[test]
    fn cycles() {
        let items =
            [item("a", 0, "", "b"), item("b", 0, "", "c"), item("c", 0, "", "b"), item("d", 0, "", "d")];
        assert_eq!(plan(&items, None, Direction::Up), Err(Cycle(vec![1, 2, 1])));
        assert_eq!(plan(&items[3..], None, Direction::Down), Err(Cycle(vec![0, 0])));
    }
}
