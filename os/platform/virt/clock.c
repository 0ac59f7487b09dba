/* SPDX-License-Identifier: ISC */
/*
 * Monotonic time is the TSC, its rate taken from the hypervisor when it tells, else measured
 * against the interval timer for two milliseconds; the wait is bounded in TSC cycles, so a
 * missing timer costs a few milliseconds, and then the APIC timer's usual rate is believed.
 *
 * Wall time is the CMOS clock, carried on by the TSC and compared again every 16 seconds: so
 * neither a badly measured rate nor a host that slept makes it wrong for long.
 */
#include "os/platform/virt/virt.h"
#include "os/time.h"

#define PIT_HZ       1193182u
#define PIT_SAMPLE   2400u       /* counts: about 2 ms */
#define CYCLES_MAX   100000000ul /* give up: 25 ms even at 4 GHz */
#define PIT_GATE     0x61
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define LOOKS        4
#define MEASURES     4
#define APIC_NS      16ul /* 1 GHz, divided by 16 (irq.c) */
#define RECHECK_NS   (16 * OS_SEC)
#define CMOS_WAIT_NS 3000000u /* a step of the CMOS clock takes less */

#define KVM_LEAF      0x40000000u
#define KVM_CLOCK2    (1u << 3)
#define KVM_CLOCK_MSR 0x4b564d01u
#define TIMING_LEAF   0x40000010u

struct pvclock {
	uint32_t version, pad0;
	uint64_t tsc, system_ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};

static uint64_t tsc_at_boot, ns_per_2_32; /* ns = cycles * ns_per_2_32 >> 32 */
static int64_t wall_at;                   /* wall time at boot, by the last check */
static uint64_t wall_checked;

static void set_rate(uint64_t cycles, uint64_t ns)
{
	ns_per_2_32 = (uint64_t)(((unsigned __int128)ns << 32) / cycles);
}

uint64_t plat_mono_ns(void)
{
	return (uint64_t)((unsigned __int128)(rdtsc() - tsc_at_boot) * ns_per_2_32 >> 32);
}

/* KVM tells the rate of the TSC in its clock page; one look is enough. */
static bool rate_from_hypervisor(void)
{
	static volatile struct pvclock page __attribute__((aligned(64)));
	uint32_t r[4];

	cpuid(r, 1);
	if (!(r[2] >> 31))
		return false;
	cpuid(r, KVM_LEAF);
	if (r[1] != 0x4b4d564b || r[2] != 0x564b4d56) /* "KVMKVMKVM" */
		return false;
	cpuid(r, KVM_LEAF + 1);
	if (!(r[0] & KVM_CLOCK2))
		return false;
	wrmsr(KVM_CLOCK_MSR, (uint64_t)&page | 1);
	uint64_t mul = page.mul;
	int8_t shift = page.shift;
	wrmsr(KVM_CLOCK_MSR, 0);
	if (!mul || shift < -31 || shift > 31)
		return false;
	ns_per_2_32 = shift < 0 ? mul >> -shift : mul << shift;
	return true;
}

static uint16_t pit_count(void)
{
	outb(PIT_COMMAND, 0x80); /* latch channel 2 */
	uint8_t low = inb(PIT_CHANNEL2);
	return (uint16_t)(low | inb(PIT_CHANNEL2) << 8);
}

struct look {
	uint64_t tsc;
	uint32_t apic;
	uint16_t pit;
};

/* All three clocks at one moment: of a few looks the quickest, as the host may take its time. */
static struct look look(void)
{
	struct look best = { 0 };
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t from = rdtsc();
		struct look l = { .pit = pit_count(), .apic = irq_timer_count() };
		uint64_t took = rdtsc() - from;
		l.tsc = from + took / 2;
		if (took < least) {
			least = took;
			best = l;
		}
	}
	return best;
}

/* Count TSC and APIC timer against the interval timer. False when that does not move. */
static bool measure(uint64_t *cycles, uint32_t *apic, uint64_t *ns)
{
	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2) | 1));
	outb(PIT_COMMAND, 0xb0); /* channel 2, both bytes, count down once */
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);

	struct look from = look();
	while ((uint16_t)(from.pit - pit_count()) < PIT_SAMPLE)
		if (rdtsc() - from.tsc > CYCLES_MAX)
			return false;
	struct look to = look();
	*cycles = to.tsc - from.tsc;
	*apic = from.apic - to.apic;
	*ns = (uint16_t)(from.pit - to.pit) * OS_SEC / PIT_HZ;
	return *apic;
}

/*
 * Measured, and agreeing with an APIC timer of the usual rate; where it never does, that timer
 * has another rate, or the interval timer wrapped because the host let us stand for long.
 */
static bool measure_well(uint64_t *cycles, uint32_t *apic, uint64_t *ns)
{
	for (unsigned i = 0; i < MEASURES; i++) {
		if (!measure(cycles, apic, ns))
			return false;
		uint64_t told = *apic * APIC_NS, off = told > *ns ? told - *ns : *ns - told;
		if (off < *ns / 16)
			return true;
	}
	return true;
}

/* Without interval timer: by the APIC timer, which every monitor runs at the same rate. */
static void measure_by_apic(void)
{
	uint64_t tsc = rdtsc(), cycles;
	uint32_t timer = irq_timer_count(), gone;

	do {
		gone = timer - irq_timer_count();
		cycles = rdtsc() - tsc;
	} while (gone * APIC_NS < 2 * OS_MS && cycles < CYCLES_MAX);
	set_rate(cycles, gone ? gone * APIC_NS : cycles / 2);
}

void clock_init(void)
{
	uint64_t cycles, ns;
	uint32_t apic;
	bool told = rate_from_hypervisor();

	tsc_at_boot = rdtsc();
	if (!told && measure_well(&cycles, &apic, &ns)) {
		set_rate(cycles, ns);
	} else {
		if (!told)
			measure_by_apic();
		apic = OS_MS / APIC_NS;
		ns = OS_MS;
	}
	irq_timer_calibrate(apic, ns);
}

static uint8_t cmos(uint8_t index)
{
	outb(0x70, index);
	return inb(0x71);
}

static int from_bcd(uint8_t v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

static bool cmos_there(void)
{
	return cmos(0x0b) != 0xff;
}

/* Whole seconds, or -1: it is in the middle of a step. */
static int64_t cmos_seconds(void)
{
	uint8_t mode = cmos(0x0b);
	bool binary = mode & 4;

	if (cmos(0x0a) & 0x80)
		return -1;
	uint8_t hour = cmos(4);
	struct os_date d = {
		.sec = from_bcd(cmos(0), binary),
		.min = from_bcd(cmos(2), binary),
		.hour = from_bcd(hour & 0x7f, binary),
		.day = from_bcd(cmos(7), binary),
		.month = from_bcd(cmos(8), binary),
		.year = 2000 + from_bcd(cmos(9), binary),
	};
	if (!(mode & 2)) /* twelve hours */
		d.hour = d.hour % 12 + (hour & 0x80 ? 12 : 0);
	if (from_bcd(cmos(0), binary) != d.sec)
		return -1;
	return os_date_unix(&d);
}

int64_t plat_wall_ns(void)
{
	uint64_t now = plat_mono_ns();
	int64_t wall = wall_at + (int64_t)now;

	if (wall_checked && now - wall_checked < (uint64_t)RECHECK_NS)
		return wall;
	if (!cmos_there()) /* then it is 1970 until somebody tells better */
		return wall;
	int64_t sec = cmos_seconds();
	while (sec < 0 && plat_mono_ns() - now < CMOS_WAIT_NS)
		sec = cmos_seconds();
	if (sec < 0)
		return wall;
	wall_checked = now ? now : 1;
	/* It tells whole seconds: believe our fraction as long as the seconds agree. */
	if (wall < sec * OS_SEC)
		wall = sec * OS_SEC;
	else if (wall >= (sec + 1) * OS_SEC)
		wall = (sec + 1) * OS_SEC - 1;
	wall_at = wall - (int64_t)now;
	return wall;
}
