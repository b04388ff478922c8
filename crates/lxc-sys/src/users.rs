//! The passwd, group, subuid and subgid files.
//!
//! Our own readers, over text that the caller has read: the host's files for a plan, or a container's
//! that were opened below its root. No name service is asked (it is broken in static programs, and
//! asking it inside a container runs the container's code).

/// A line of `/etc/passwd` (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// Login name.
    pub name: &'a [u8],
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Home directory.
    pub home: &'a [u8],
    /// Login shell; empty stands for `/bin/sh`.
    pub shell: &'a [u8],
}

/// A line of `/etc/group` (group(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Name of the group.
    pub name: &'a [u8],
    /// Group id.
    pub gid: u32,
    members: &'a [u8],
}

impl<'a> Group<'a> {
    /// The names of the users who have this as a supplementary group.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.members.split(|&b| b == b',').filter(|name| !name.is_empty())
    }
}

/// A line of `/etc/subuid` or `/etc/subgid` (subuid(5)): ids that `owner` may map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubIds<'a> {
    /// A user's name, or uid in decimal.
    pub owner: &'a [u8],
    /// First id.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// The users of a passwd file. Lines that are no entry are passed over.
pub fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        let home = fields.nth(1)?;
        Some(User { name, uid, gid, home, shell: fields.next()? })
    })
}

/// The first user with this uid.
pub fn user_by_uid(passwd: &[u8], uid: u32) -> Option<User<'_>> {
    users(passwd).find(|user| user.uid == uid)
}

/// The first user with this name.
pub fn user_by_name<'a>(passwd: &'a [u8], name: &[u8]) -> Option<User<'a>> {
    users(passwd).find(|user| user.name == name)
}

/// The groups of a group file. Lines that are no entry are passed over.
pub fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = number(fields.nth(1)?)?;
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    })
}

/// The first group with this name.
pub fn group_by_name<'a>(group: &'a [u8], name: &[u8]) -> Option<Group<'a>> {
    groups(group).find(|entry| entry.name == name)
}

/// The groups a user gets at login: `primary`, then those that list the user, each once.
pub fn groups_of(group: &[u8], user: &[u8], primary: u32) -> Vec<u32> {
    let mut ids = vec![primary];
    for entry in groups(group) {
        if !ids.contains(&entry.gid) && entry.members().any(|member| member == user) {
            ids.push(entry.gid);
        }
    }
    ids
}

/// The ranges of a subuid or subgid file. Lines that are no entry are passed over.
pub fn sub_ids(text: &[u8]) -> impl Iterator<Item = SubIds<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let owner = fields.next().filter(|owner| !owner.is_empty())?;
        let first = number(fields.next()?)?;
        let count = number(fields.next()?)?;
        Some(SubIds { owner, first, count })
    })
}

/// The last range of a user, which is the one upstream suggests for `lxc.idmap`.
pub fn last_sub_ids<'a>(text: &'a [u8], user: &[u8]) -> Option<SubIds<'a>> {
    sub_ids(text).filter(|range| range.owner == user).last()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.starts_with(b"#"))
}

/// Digits only: a sign or blank makes a line invalid instead of meaning root.
fn number(text: &[u8]) -> Option<u32> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n# c:x:7:7::/:/x\n+nis\nbad:x::1::/:/bin/sh\n\
        evil:x:-1:1::/:/bin/sh\nsigned:x:+0:1::/:/bin/sh\nann:x:1000:1000:Ann,,,:/home/ann:\nshort:x:5:5:x:/home\n";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:root,ann\nann:x:1000:\naudio:x:29:bob,ann\ndup:x:10:ann\n";

    #[test]
    fn users_by_either() {
        let root = user_by_uid(PASSWD, 0).unwrap();
        assert_eq!((root.name, root.home, root.shell), (&b"root"[..], &b"/root"[..], &b"/bin/bash"[..]));
        let ann = user_by_name(PASSWD, b"ann").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.shell), (1000, 1000, &b""[..]));
        for name in [&b"bad"[..], b"evil", b"signed", b"short", b"+nis", b"# c", b"an"] {
            assert_eq!(user_by_name(PASSWD, name), None);
        }
        assert_eq!(user_by_uid(PASSWD, u32::MAX), None);
    }

    #[test]
    fn groups_and_members() {
        assert_eq!(group_by_name(GROUP, b"wheel").unwrap().gid, 10);
        assert_eq!(groups_of(GROUP, b"ann", 1000), [1000, 10, 29]);
        assert_eq!(groups_of(GROUP, b"nobody", 65534), [65534]);
    }

    #[test]
    fn sub_id_ranges() {
        let text = b"ann:100000:65536\nbob:165536:65536\nann:300000:1000\nann:x:1\nann:5\n";
        let last = last_sub_ids(text, b"ann").unwrap();
        assert_eq!((last.first, last.count), (300_000, 1000));
        assert_eq!(last_sub_ids(text, b"an"), None);
        assert_eq!(sub_ids(text).count(), 3);
    }
}
