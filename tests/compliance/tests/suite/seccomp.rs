//! Seccomp policies of both versions.

use compliance::{Bed, Container};

fn with_policy<'a>(bed: &'a Bed, policy: &str) -> Container<'a> {
    let file = bed.dir().join("policy");
    std::fs::write(&file, policy).expect("write a policy");
    bed.container().config(&format!("lxc.seccomp.profile = {}", file.display())).make()
}

#[test]
fn a_list_of_the_denied() {
    let bed = Bed::new();
    for word in ["blacklist", "denylist"] {
        let c = with_policy(
            &bed,
            &format!("2\n{word}\nmkdir errno 5\nmkdirat errno 5\n[all]\nrmdir errno 17\nunlinkat errno 17\n"),
        );
        c.start().ok();
        assert_eq!(c.sh("grep ^Seccomp: /proc/1/status"), "Seccomp:\t2");
        let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
        assert!(out.stderr.contains("Input/output error"), "{}", out.stderr);
        let out = c.attach(&["rmdir", "/mnt"]).expect(1);
        assert!(out.stderr.contains("File exists"), "{}", out.stderr);
        c.sh("echo works");
        c.kill();
    }
}

#[test]
fn killed_by_a_rule() {
    let bed = Bed::new();
    let c = with_policy(&bed, "2\ndenylist\nmkdir kill\nmkdirat kill\n");
    c.start().ok();
    c.attach(&["mkdir", "/tmp/new"]).expect(159);
    c.kill();
}

#[test]
fn a_list_of_the_allowed() {
    let bed = Bed::new();
    // Everything but mkdir: the list of the allowed with an errno for the rest.
    let names = "read write open openat close stat fstat lstat newfstatat statx poll lseek mmap mprotect munmap brk \
        rt_sigaction rt_sigprocmask rt_sigreturn ioctl pread64 pwrite64 readv writev access faccessat faccessat2 pipe \
        pipe2 select dup dup2 dup3 getpid socket connect sendto recvfrom sendmsg recvmsg clone clone3 fork vfork execve \
        execveat exit exit_group wait4 waitid kill tgkill tkill uname fcntl flock getdents getdents64 getcwd chdir \
        fchdir rename unlink readlink readlinkat chmod fchmod chown umask gettimeofday getrlimit prlimit64 getuid \
        getgid setuid setgid geteuid getegid setresuid setresgid setpgid getppid getpgrp setsid setgroups getgroups \
        getresuid getresgid getpgid getsid sigaltstack prctl arch_prctl gettid futex set_tid_address clock_gettime \
        clock_nanosleep nanosleep set_robust_list rseq getrandom memfd_create capget capset personality setns \
        rt_sigsuspend rt_sigtimedwait madvise sysinfo time times alarm restart_syscall ppoll pselect6 epoll_create1 \
        epoll_ctl epoll_wait epoll_pwait eventfd2 signalfd4 sendfile vhangup fadvise64 close_range openat2";
    let mut policy = String::from("2\nallowlist errno 38\n");
    for name in names.split_whitespace() {
        policy.push_str(name);
        policy.push('\n');
    }
    let c = with_policy(&bed, &policy);
    c.start().ok();
    let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
    assert!(out.stderr.contains("Function not implemented"), "{}", out.stderr);
    c.sh("ls /");
    c.kill();
}

#[test]
fn rules_with_arguments() {
    let bed = Bed::new();
    // kill(2) with signal 10 is refused, with others it is not.
    let c = with_policy(&bed, "2\ndenylist\nkill errno 5 [1,10,SCMP_CMP_EQ]\n");
    c.start().ok();
    let out = c.attach(&["sh", "-c", "kill -10 $$"]).expect(1);
    assert!(out.stderr.contains("Input/output error") || out.stderr.contains("I/O error"), "{}", out.stderr);
    c.attach(&["sh", "-c", "kill -15 $$"]).expect(143);
    c.kill();
}

#[test]
fn version_1_allows_by_number() {
    let bed = Bed::new();
    // All numbers but mkdir (83) and mkdirat (258) on x86-64: others get the process killed.
    let mut policy = String::from("1\nallowlist\n");
    for number in (0..=450).filter(|n| *n != 83 && *n != 258) {
        policy.push_str(&format!("{number}\n"));
    }
    let c = with_policy(&bed, &policy);
    c.start().ok();
    c.attach(&["mkdir", "/tmp/new"]).expect(159);
    c.sh("ls /");
    c.kill();
}

#[test]
fn rules_for_other_architectures() {
    let bed = Bed::new();
    let c = with_policy(
        &bed,
        "2\ndenylist\n[arm]\nmkdir errno 5\n[x86_64]\nrmdir errno 17\n[all]\nreboot errno 1\n",
    );
    c.start().ok();
    c.attach(&["mkdir", "/tmp/new"]).ok();
    let out = c.attach(&["rmdir", "/tmp/new"]).expect(1);
    assert!(out.stderr.contains("File exists"), "{}", out.stderr);
    c.kill();
}

#[test]
fn reject_force_umount() {
    let bed = Bed::new();
    let c = with_policy(&bed, "2\ndenylist\nreject_force_umount\n");
    c.start().ok();
    c.sh("mount -t tmpfs t /mnt");
    let out = c.attach(&["umount", "-f", "/mnt"]).expect(1);
    assert!(out.stderr.contains("Permission denied"), "{}", out.stderr);
    c.sh("umount /mnt");
    c.kill();
}

#[test]
fn debians_common_policy() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp").start();
    assert_eq!(c.sh("grep ^Seccomp: /proc/1/status"), "Seccomp:\t2");
    c.kill();
}

#[test]
fn a_broken_policy_fails_the_start() {
    let bed = Bed::new();
    for policy in ["", "3\ndenylist\n", "2\nnosuchlist\n", "2\ndenylist\nmkdir nosuchaction\n"] {
        let c = with_policy(&bed, policy);
        assert_eq!(c.start().code, 1, "{policy:?}");
    }
    let c = bed.container().config("lxc.seccomp.profile = /nosuch").make();
    c.start().expect(1);
}
