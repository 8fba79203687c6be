/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, listeners and devices as config_value.h promises them.
 */
#include "config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static bool fail(struct config_reason *reterr, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr->text, sizeof(reterr->text), format, args);
	va_end(args);
	return false;
}

void config_format_address(const struct sl_addr *addr, char *buf, size_t size)
{
	if (sl_addr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], buf, (socklen_t)size);
	else
		inet_ntop(AF_INET6, addr->b, buf, (socklen_t)size);
}

bool config_value_address(const char *text, struct sl_addr *ret_addr, struct config_reason *reterr)
{
	struct sl_addr addr;
	struct in_addr v4;
	char plain[INET_ADDRSTRLEN];
	size_t colons = 0;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret_addr = sl_addr_from_v4(v4.s_addr);
		return true;
	}
	if (inet_pton(AF_INET6, text, addr.b) == 1) {
		if (sl_addr_is_v4(&addr)) {
			inet_ntop(AF_INET, &addr.w[3], plain, sizeof(plain));
			return fail(reterr, "is an IPv4 address in IPv6 clothes: write \"%s\"", plain);
		}
		*ret_addr = addr;
		return true;
	}
	for (const char *c = text; *c; c++)
		colons += *c == ':';
	if (strchr(text, '/'))
		return fail(reterr, "has a prefix length, but this is a single address");
	if (strchr(text, '%'))
		return fail(reterr, "has a zone, but packets can only be sent to addresses that need none");
	if (text[0] == '[' || (colons == 1 && strchr(text, '.')))
		return fail(reterr, "has brackets or a port, but this is an address alone");
	return fail(reterr, "is no IP address");
}

static bool listener_port(const char *text, uint16_t *ret_port, struct config_reason *reterr)
{
	struct config_reason unused;
	uint64_t port;

	if (strcmp(text, "*") == 0) {
		*ret_port = 0;
		return true;
	}
	if (!config_value_number(text, &port, &unused) || port < 1 || port > 65535)
		return fail(reterr, "has the port \"%.20s\"", text);
	*ret_port = (uint16_t)port;
	return true;
}

bool config_value_listener(const char *text, uint8_t *ret_proto, struct sl_addr *ret_addr, uint16_t *ret_port,
			   struct config_reason *reterr)
{
	char address[INET6_ADDRSTRLEN + 1];
	const char *start, *end, *port;
	struct config_reason why;

	if (strncmp(text, "tcp ", 4) == 0)
		*ret_proto = IPPROTO_TCP;
	else if (strncmp(text, "udp ", 4) == 0)
		*ret_proto = IPPROTO_UDP;
	else
		return fail(reterr, "does not begin with \"tcp \" or \"udp \"");
	for (start = text + 4; *start == ' '; start++)
		;
	if (*start == '[') {
		end = strchr(++start, ']');
		if (!end)
			return fail(reterr, "has a bracket that is not closed");
		port = end + 1;
	} else {
		end = strchr(start, ':');
		if (end && strchr(end + 1, ':'))
			return fail(reterr, "has an IPv6 address without brackets");
		port = end;
	}
	if (!end || *port != ':')
		return fail(reterr, "has no port");
	if ((size_t)(end - start) >= sizeof(address))
		return fail(reterr, "has no IP address before the port");
	memcpy(address, start, (size_t)(end - start));
	address[end - start] = 0;
	if (!config_value_address(address, ret_addr, &why))
		return fail(reterr, "holds \"%s\", which %.*s", address, (int)sizeof(reterr->text) - 80,
			    why.text);
	return listener_port(port + 1, ret_port, reterr);
}

/* DDDD:BB:DD.F or BB:DD.F; a bus has 32 devices of at most 8 functions. */
static bool is_pci_address(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	static const char *const forms[] = { "hhhh:hh:1h.7", "hh:1h.7" }; /* h: any digit, 1 and 7: up to that */

	for (size_t form = 0; form < 2; form++) {
		size_t i = 0;

		for (; text[i] && forms[form][i]; i++) {
			const char want = forms[form][i];
			const char *digit = strchr(digits, tolower((unsigned char)text[i]));

			if (want == ':' || want == '.' ? text[i] != want
						       : !digit || (want != 'h' && digit - digits > want - '0'))
				break;
		}
		if (!text[i] && !forms[form][i])
			return true;
	}
	return false;
}

/* One spelling for one device, the EAL's: with the domain, in lower case. */
static void store_pci_address(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s%s", text[2] == ':' ? "0000:" : "", text);
	for (; *to; to++)
		*to = (char)tolower((unsigned char)*to);
}

bool config_value_device(const char *text, struct sl_port_config *port, struct config_reason *reterr)
{
	static const struct {
		const char *prefix;
		enum sl_port_kind kind;
	} kinds[] = { { "af_xdp:", SL_PORT_AF_XDP },
		      { "af_packet:", SL_PORT_AF_PACKET },
		      { "pci:", SL_PORT_PCI },
		      { "vdev:", SL_PORT_VDEV } };
	const char *device = NULL;
	struct config_reason why;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !device; i++) {
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			device = text + strlen(kinds[i].prefix);
			port->kind = kinds[i].kind;
		}
	}
	if (!device && is_pci_address(text))
		return fail(reterr, "is a PCI address without its kind: write \"pci:%s\"", text);
	if (!device && strncmp(text, "net_", 4) == 0)
		return fail(reterr, "is a virtual device without its kind: write \"vdev:%.60s\"", text);
	if (!device && !strchr(text, ':') && config_value_ifname(text, strlen(text), &why))
		return fail(reterr, "is an interface without its kind: write \"af_xdp:%s\"", text);
	if (!device)
		return fail(reterr, "is no kind and device");
	if (strlen(device) >= sizeof(port->device))
		return fail(reterr, "is too long: a device has at most %zu characters",
			    sizeof(port->device) - 1);
	if (port->kind == SL_PORT_PCI && !is_pci_address(device))
		return fail(reterr, "has no PCI address, as in \"pci:0000:3b:00.0\": device 00 to 1f, function 0 to 7");
	if (port->kind == SL_PORT_VDEV && strncmp(device, "net_", 4) != 0)
		return fail(reterr, "names no virtual device: these begin with \"net_\"");
	if ((port->kind == SL_PORT_AF_XDP || port->kind == SL_PORT_AF_PACKET) &&
	    !config_value_ifname(device, strlen(device), &why))
		return fail(reterr, "names an interface that %.*s", (int)sizeof(reterr->text) - 40, why.text);
	if (port->kind == SL_PORT_PCI)
		store_pci_address(port->device, sizeof(port->device), device);
	else
		memcpy(port->device, device, strlen(device) + 1);
	return true;
}
