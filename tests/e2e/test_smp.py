"""Many CPUs: all come up and work, go off and on, and the machine ends and restarts from any of them."""

import re

import pytest

ONLINE = "cat /sys/devices/system/cpu/online"
# The field of /proc/self/stat after the name's bracket: state is the first, the CPU the 37th.
WHERE = "'read -r line </proc/self/stat; set -- ${line##*) }; echo ${37}'"


# Without the kernel's own cipher tests, which are most of a boot and say nothing about many CPUs.
FAST = "cryptomgr.notests"


def boot(start, cpus, append=""):
    return start("--smp", cpus, "--append", f"{FAST} {append}").shell()


def span(cpus):
    return "0" if cpus == 1 else f"0-{cpus - 1}"


def where_it_runs(m, cpu):
    return m.ok(f"taskset {1 << cpu:x} sh -c {WHERE}")


def interrupts(m):
    """{row: [a count for each CPU]} of /proc/interrupts; rows of devices by their last word."""
    rows = {}
    head, *lines = m.ok("cat /proc/interrupts").splitlines()
    cpus = len(head.split())
    for line in lines:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) > cpus and all(w.isdigit() for w in words[:cpus]):
            key = name.strip() if name.strip().startswith("IPI") else words[-1]
            rows[key] = [int(w) for w in words[:cpus]]
    return rows


@pytest.mark.parametrize("cpus", [1, pytest.param(2, marks=pytest.mark.lab), 4, 8, 32])
def test_all_cpus_come_up_and_work(start, cpus):
    m = boot(start, cpus)
    assert m.ok("nproc") == str(cpus)
    assert m.ok(ONLINE) == span(cpus)
    assert m.ok("grep -c ^processor /proc/cpuinfo") == str(cpus)
    for cpu in range(cpus):
        assert where_it_runs(m, cpu) == str(cpu)
    rows = interrupts(m)
    assert all(len(counts) == cpus for counts in rows.values())
    assert all(rows["arch_timer"]), "a CPU without timer interrupts"
    if cpus > 1:  # rescheduling, and calls of functions on other CPUs
        assert all(a + b for a, b in zip(rows["IPI0"], rows["IPI1"])), "a CPU without IPIs"
    assert not re.search(r"failed to come online|failed to boot|soft lockup|rcu.*stall", m.text())
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_work_on_all_cpus_at_once(start):
    m = boot(start, 4)
    want = m.ok("head -c 300000 /dev/zero | sha256sum")
    # One hash on each CPU and one that wanders, together.
    m.ok("for mask in 1 2 4 8 f; do (head -c 300000 /dev/zero | taskset $mask sha256sum >/tmp/$mask) & done; wait")
    for mask in "1248f":
        assert m.ok(f"cat /tmp/{mask}") == want


def test_cpus_go_off_and_on(start):
    m = boot(start, 4)
    switch = "echo {} >/sys/devices/system/cpu/cpu{}/online"
    for cpu in (1, 2, 3, 0, 2):
        m.ok(switch.format(0, cpu))
        left = sorted({0, 1, 2, 3} - {cpu})
        assert m.ok("nproc") == "3"
        assert m.ok(f"cat /sys/devices/system/cpu/cpu{cpu}/online") == "0"
        for other in left:
            assert where_it_runs(m, other) == str(other)
        status, _ = m.run(f"taskset {1 << cpu:x} true")
        assert status != 0, "a program ran on a CPU that is off"
        # CPU_OFF took effect: AFFINITY_INFO told so to the CPU that asked.
        assert f"psci: CPU{cpu} killed" in m.ok(f"dmesg | grep 'CPU{cpu} killed'")
        m.ok(switch.format(1, cpu))
        assert m.ok(ONLINE) == "0-3"
        assert where_it_runs(m, cpu) == str(cpu)
    for cpu in (1, 2, 3):
        m.ok(switch.format(0, cpu))
    assert m.ok("nproc") == "1"
    assert m.ok("head -c 300000 /dev/zero | wc -c") == "300000"
    for cpu in (3, 2, 1):
        m.ok(switch.format(1, cpu))
    assert m.ok(ONLINE) == "0-3"
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_reboot_brings_all_cpus_back(start):
    m = boot(start, 4)
    m.ok("echo 0 >/sys/devices/system/cpu/cpu2/online")
    for _ in range(2):
        m.send("reboot -f\r")
        m.shell()
        assert m.ok(ONLINE) == "0-3"
        assert [where_it_runs(m, cpu) for cpu in range(4)] == ["0", "1", "2", "3"]
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_reboot_while_all_cpus_work(start):
    m = boot(start, 4)
    m.ok("for mask in 1 2 4 8; do taskset $mask sh -c 'while :; do :; done' & done")
    m.send("reboot -f\r")
    m.shell()
    assert m.ok("nproc") == "4"


# Linux goes to CPU 0 first, unless that is off.
@pytest.mark.parametrize("command, ends", [("poweroff -f", True), ("reboot -f", False)])
def test_the_end_comes_from_another_cpu(start, command, ends):
    m = boot(start, 2)
    m.ok("echo 0 >/sys/devices/system/cpu/cpu0/online")
    assert m.ok(ONLINE) == "1"
    m.send(command + "\r")
    if ends:
        assert m.wait() == 0
    else:
        m.shell()
        assert m.ok(ONLINE) == "0-1"


def test_panic_on_another_cpu_restarts(start):
    m = boot(start, 4, "panic=-1")
    m.send("taskset 4 sh -c 'echo c >/proc/sysrq-trigger'\r")
    m.expect("Kernel panic")
    m.shell()
    assert m.ok("nproc") == "4"
