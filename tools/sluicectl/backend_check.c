/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend-check: what must hold for each listener, asked with packets that go the way of traffic. One
 * line a check; what does not hold names its remedy. Needs no sluice-dp, and does not disturb one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/random.h>

#include "backend_target.h"
#include "backend_wire.h"
#include "client.h"
#include "controlplane/config_value.h"

enum { WAIT_MS = 1500, SILENCE_MS = 600, PORT_FIRST = 32768, PORT_RANGE = 28000, MTU_MIN = 68 };

struct text {
	char s[INET6_ADDRSTRLEN];
};

/* One listener under examination. */
struct examination {
	const struct backend_listener *listener;
	struct backend_wire *wire;
	struct backend_hop hop;
	struct frame_way way;
	struct sl_addr from; /* ours, of the VIP's family */
	json_t *checks;
	unsigned int failed;
	bool json;
};

static struct text text_of(const struct sl_addr *addr)
{
	struct text text;

	config_format_address(addr, text.s, sizeof(text.s));
	return text;
}

__attribute__((format(printf, 4, 5))) static bool report(struct examination *exam, bool holds, const char *check,
							 const char *format, ...)
{
	char said[400];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	exam->failed += !holds;
	json_array_append_new(exam->checks, json_pack("{s:s, s:b, s:s}", "check", check, "holds", holds, "text", said));
	if (!exam->json)
		printf("  %-4s  %-8s  %s\n", holds ? "ok" : "FAIL", check, said);
	return holds;
}

/* Asks with fresh numbers. A packet that cannot be sent counts as no answer; *ret_errno says why. */
static enum frame_answer ask(struct examination *exam, enum frame_kind kind, uint32_t len, unsigned int wait_ms,
			     uint32_t *ret_mtu, int *ret_errno)
{
	struct frame_question question = {.kind = kind,
					  .from = exam->from,
					  .vip = exam->listener->vip,
					  .dport = exam->listener->port,
					  .len = len};
	enum frame_answer answer = FRAME_IS_NOTHING, none;
	uint32_t random[2] = {0, 0};

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		random[0] = (uint32_t)len; /* any number will do */
	question.number = random[0];
	question.sport = (uint16_t)(PORT_FIRST + random[1] % PORT_RANGE);
	*ret_errno = backend_wire_ask(exam->wire, &exam->hop, &exam->way, &question, wait_ms, &answer, ret_mtu);
	if (answer == FRAME_IS_SYN_ACK) { /* do not leave it half open */
		question.kind = FRAME_RST;
		question.len = 0;
		backend_wire_ask(exam->wire, &exam->hop, &exam->way, &question, 0, &none, ret_mtu);
	}
	return answer;
}

/* ---- the checks ---- */

static bool check_reached(struct examination *exam, const struct ctl_options *options)
{
	const struct backend_listener *listener = exam->listener;
	struct error_text why;
	const uint8_t *mac = exam->hop.next_mac;

	if (backend_wire_find(exam->wire, &listener->address, WAIT_MS, &exam->hop, &why) < 0)
		return report(exam, false, "reached", "%s", why.text);
	if (listener->mode == SL_MODE_L2 && !exam->hop.on_link)
		return report(exam, false, "reached",
			      "%s is behind a router, and mode l2 goes to neighbours only: use mode ipip",
			      text_of(&listener->address).s);
	if (backend_wire_address(&exam->hop, &listener->vip, &exam->from) < 0)
		return report(exam, false, "reached",
			      "%s has no address of %s's family, which the backend could answer to: add one",
			      exam->hop.ifname, text_of(&listener->vip).s);
	memcpy(exam->way.own_mac, exam->hop.own_mac, 6);
	memcpy(exam->way.next_mac, exam->hop.next_mac, 6);
	exam->way.mtu = exam->hop.mtu;
	exam->way.mode = listener->mode;
	exam->way.outer_dst = listener->address;
	exam->way.outer_src = exam->hop.source;
	if (backend_address_is_set(&listener->outer_source))
		exam->way.outer_src = listener->outer_source;
	if (options->backend[CTL_BACKEND_MTU] != NULL) {
		struct config_reason reason;
		uint64_t mtu;

		if (!config_value_number(options->backend[CTL_BACKEND_MTU], &mtu, &reason) || mtu < MTU_MIN ||
		    mtu > UINT16_MAX)
			return report(exam, false, "reached", "--mtu %s: allowed: %d to %d bytes",
				      options->backend[CTL_BACKEND_MTU], MTU_MIN, UINT16_MAX);
		exam->way.mtu = (uint16_t)mtu;
	}
	return report(exam, true, "reached", "%02x:%02x:%02x:%02x:%02x:%02x on %s%s", mac[0], mac[1], mac[2], mac[3],
		      mac[4], mac[5], exam->hop.ifname, exam->hop.on_link ? "" : ", a router");
}

static void check_silent(struct examination *exam)
{
	const struct sl_addr *vip = &exam->listener->vip;
	const bool v4 = sl_addr_is_v4(vip);
	uint32_t mtu;
	int err;

	if (!exam->hop.on_link)
		return; /* its network is not ours to ask in */
	if (ask(exam, FRAME_NEIGHBOR, 0, SILENCE_MS, &mtu, &err) != FRAME_IS_NEIGHBOR)
		report(exam, err == 0, "silent",
		       err == 0 ? "it does not answer %s for %s" : "cannot ask by %s for %s: %s",
		       v4 ? "ARP" : "neighbour solicitations", text_of(vip).s, strerror(-err));
	else if (v4)
		report(exam, false, "silent",
		       "it answers ARP for %s, so clients pass the balancer by: its arp_ignore must be 1, its "
		       "arp_announce 2, and the VIP on lo (sluicectl backend-setup)",
		       text_of(vip).s);
	else
		report(exam, false, "silent",
		       "it answers neighbour solicitations for %s, so clients pass the balancer by: the VIP must "
		       "be on its lo and on no other interface (sluicectl backend-setup)",
		       text_of(vip).s);
}

static bool report_holds(struct examination *exam, enum frame_answer answer, int err)
{
	const bool tunnel = exam->way.mode == SL_MODE_IPIP;
	const struct text vip = text_of(&exam->listener->vip), source = text_of(&exam->way.outer_src);

	if (err < 0)
		return report(exam, false, "holds", "cannot send on %s: %s", exam->hop.ifname, strerror(-err));
	if (answer == FRAME_IS_NO_TUNNEL)
		return report(exam, false, "holds",
			      "it refuses tunnel packets: it has no end for them, or none for those from %s "
			      "(sluicectl backend-setup, --from)",
			      source.s);
	if (answer == FRAME_IS_UNREACHABLE)
		return report(exam, false, "holds",
			      "an ICMP error says that %s is not reached there: is it on the backend's lo, and does "
			      "no packet filter refuse it?",
			      vip.s);
	if (answer == FRAME_IS_NOTHING && tunnel)
		return report(exam, false, "holds",
			      "no answer from %s to a packet in the tunnel from %s: the VIP is not on its lo, tunnels "
			      "from there do not end, rp_filter drops it, or a packet filter (sluicectl backend-setup)",
			      vip.s, source.s);
	if (answer == FRAME_IS_NOTHING)
		return report(exam, false, "holds",
			      "no answer from %s: the VIP is not on its lo, rp_filter drops the packet, or a packet "
			      "filter (sluicectl backend-setup)",
			      vip.s);
	return report(exam, true, "holds", "it takes packets %s %s and answers from there",
		      tunnel ? "in the tunnel for" : "for", vip.s);
}

static void report_full(struct examination *exam, enum frame_answer answer, uint32_t len, uint32_t mtu, int err)
{
	const uint32_t outer = exam->way.mtu;

	if (err == -EMSGSIZE)
		report(exam, false, "mtu", "%s here does not take %u bytes: raise its MTU", exam->hop.ifname, outer);
	else if (err < 0)
		report(exam, false, "mtu", "cannot send on %s: %s", exam->hop.ifname, strerror(-err));
	else if (answer == FRAME_IS_TOO_BIG)
		report(exam, false, "mtu",
		       "a packet of %u bytes is too big on its way, which takes %u: raise the MTU there, or lower what "
		       "clients send (sluicectl backend-setup --mss)",
		       outer, mtu);
	else if (answer == FRAME_IS_NOTHING || answer == FRAME_IS_UNREACHABLE || answer == FRAME_IS_NO_TUNNEL)
		report(exam, false, "mtu",
		       "no answer to a packet of %u bytes, but to a small one: raise the MTU of the backend's "
		       "interface "
		       "and of switches on the way, or lower what clients send (sluicectl backend-setup --mtu, --mss)",
		       outer);
	else
		report(exam, true, "mtu", "%u bytes on the way, %u of the client's", outer, len);
}

static void check_tcp(struct examination *exam)
{
	const uint32_t full = frame_len_max(&exam->way);
	uint32_t mtu = 0;
	int err;
	enum frame_answer answer = ask(exam, FRAME_SYN, 0, WAIT_MS, &mtu, &err), echo = FRAME_IS_NOTHING;
	const unsigned int port = exam->listener->port;

	if (answer != FRAME_IS_SYN_ACK && answer != FRAME_IS_RST && err == 0)
		echo = ask(exam, FRAME_ECHO, 0, WAIT_MS, &mtu, &err);
	if (!report_holds(exam, echo == FRAME_IS_ECHO ? echo : answer, err))
		return;
	if (answer == FRAME_IS_SYN_ACK)
		report(exam, true, "listens", "tcp port %u", port);
	else if (answer == FRAME_IS_RST || answer == FRAME_IS_PORT_CLOSED)
		report(exam, false, "listens",
		       "nobody listens at tcp port %u: start the server, on the VIP or on every address", port);
	else
		report(exam, false, "listens",
		       "tcp port %u is silent, though the VIP answers pings: does a packet filter drop it?", port);
	answer = ask(exam, FRAME_SYN, full, WAIT_MS, &mtu,
		     &err); /* its contents are nobody's: what is asked for is the way */
	if (answer == FRAME_IS_NOTHING && err == 0)
		answer = ask(exam, FRAME_ECHO, full, WAIT_MS, &mtu, &err);
	report_full(exam, answer, full, mtu, err);
}

static void check_udp(struct examination *exam)
{
	const uint32_t full = frame_len_max(&exam->way);
	const unsigned int port = exam->listener->port;
	enum frame_answer echo, answer = FRAME_IS_NOTHING;
	uint32_t mtu = 0;
	int err;

	echo = ask(exam, FRAME_ECHO, 0, WAIT_MS, &mtu, &err);
	if (port != 0 && err == 0)
		answer = ask(exam, FRAME_DATAGRAM, 0, WAIT_MS, &mtu, &err);
	if (!report_holds(exam, echo == FRAME_IS_NOTHING ? answer : echo, err))
		return;
	if (answer == FRAME_IS_PORT_CLOSED)
		report(exam, false, "listens",
		       "nobody listens at udp port %u: start the server, on the VIP or on every address", port);
	else if (port != 0)
		report(exam, true, "listens", "udp port %u %s", port,
		       answer == FRAME_IS_DATAGRAM
			       ? "answers"
			       : "does not refuse; more than that only its own protocol could tell");
	answer = ask(exam, FRAME_ECHO, full, WAIT_MS, &mtu, &err);
	report_full(exam, answer, full, mtu, err);
}

/* ---- all of them ---- */

static void examine(struct examination *exam, const struct ctl_options *options)
{
	if (!check_reached(exam, options))
		return;
	check_silent(exam);
	if (exam->listener->proto == IPPROTO_TCP && exam->listener->port != 0)
		check_tcp(exam);
	else
		check_udp(exam);
}

/* "tcp [2001:db8::1]:80, ipip to 198.51.100.21". */
static void format_listener(const struct backend_listener *listener, char *buf, size_t size)
{
	const bool v6 = !sl_addr_is_v4(&listener->vip);
	char port[8] = "*";

	if (listener->port != 0)
		snprintf(port, sizeof(port), "%u", listener->port);
	snprintf(buf, size, "%s%s%s%s:%s, %s to %s",
		 listener->proto == IPPROTO_UDP ? "udp "
		 : listener->proto != 0         ? "tcp "
						: "",
		 v6 ? "[" : "", text_of(&listener->vip).s, v6 ? "]" : "", port,
		 listener->mode == SL_MODE_IPIP ? "ipip" : "l2", text_of(&listener->address).s);
}

static enum ctl_exit check_all(const struct ctl_options *options, const struct backend_target *target,
			       struct backend_wire *wire)
{
	json_t *listeners = json_array(), *answer;
	unsigned int failed = 0;
	size_t checks = 0;

	for (size_t i = 0; i < target->count; i++) {
		struct examination exam = {
			.listener = &target->listeners[i], .wire = wire, .checks = json_array(), .json = options->json};
		char text[2 * INET6_ADDRSTRLEN + 32];

		format_listener(exam.listener, text, sizeof(text));
		if (!options->json)
			printf("%s%s%s\n", target->name, target->name[0] ? ": " : "", text);
		examine(&exam, options);
		failed += exam.failed;
		checks += json_array_size(exam.checks);
		json_array_append_new(listeners, json_pack("{s:s, s:o}", "listener", text, "checks", exam.checks));
	}
	answer = json_pack("{s:s, s:i, s:o}", "backend", target->name, "failed", (int)failed, "listeners", listeners);
	if (options->json)
		client_print(answer);
	else if (failed > 0)
		printf("%u of %zu checks failed\n", failed, checks);
	else
		puts("all well");
	json_decref(answer);
	return failed > 0 ? CTL_REFUSED : CTL_DONE;
}

enum ctl_exit ctl_backend_check(const struct ctl_options *options, char **arguments)
{
	const char *from = options->backend[CTL_BACKEND_FROM];
	struct config_reason reason;
	struct backend_target target;
	struct backend_wire *wire;
	struct error_text why;
	enum ctl_exit result = backend_target_load(options, arguments[0], &target);

	if (result != CTL_DONE)
		return result;
	for (size_t i = 0; i < target.count && result == CTL_DONE; i++) {
		if (!backend_address_is_set(&target.listeners[i].address)) {
			fputs("sluicectl: --address is missing: the backend's own address\n", stderr);
			result = CTL_REFUSED;
		} else if (from != NULL && !config_value_address(from, &target.listeners[i].outer_source, &reason)) {
			fprintf(stderr, "sluicectl: --from %s: %s; here it is one address, the outer source\n", from,
				reason.text);
			result = CTL_REFUSED;
		}
	}
	if (result == CTL_DONE && backend_wire_open(&wire, &why) < 0) {
		fprintf(stderr, "sluicectl: %s\n", why.text);
		result = CTL_REFUSED;
	}
	if (result == CTL_DONE) {
		result = check_all(options, &target, wire);
		backend_wire_close(wire);
	}
	backend_target_free(&target);
	return result;
}
