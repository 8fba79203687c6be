/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names and texts of probe results, and what an errno means for a backend. Pure.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum check_result check_result_of_errno(int err)
{
	switch (err < 0 ? -err : err) {
	case 0:
		return CHECK_PASS;
	case ECONNREFUSED:
		return CHECK_FAIL_REFUSED;
	case ETIMEDOUT:
		return CHECK_FAIL_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return CHECK_FAIL_RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ENOPROTOOPT: /* ICMP protocol unreachable */
	case EPROTO:
	case EACCES:      /* administratively prohibited, ICMPv6 */
	case EINVAL:      /* no source address of that family towards it */
		return CHECK_FAIL_UNREACHABLE;
	default: /* EMFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EPERM (our own firewall) … */
		return CHECK_ERROR_LOCAL;
	}
}

const char *check_result_name(enum check_result result)
{
	switch (result) { /* no default */
	case CHECK_NONE: return "none";
	case CHECK_PASS: return "pass";
	case CHECK_FAIL_REFUSED: return "refused";
	case CHECK_FAIL_TIMEOUT: return "timeout";
	case CHECK_FAIL_UNREACHABLE: return "unreachable";
	case CHECK_FAIL_RESET: return "reset";
	case CHECK_FAIL_CLOSED: return "closed";
	case CHECK_FAIL_STATUS: return "status";
	case CHECK_FAIL_BODY: return "body";
	case CHECK_FAIL_RESPONSE: return "response";
	case CHECK_ERROR_LOCAL: return "local";
	case CHECK_RESULT_COUNT: break;
	}
	return "?";
}

static const char *sentence(enum check_result result)
{
	switch (result) { /* no default */
	case CHECK_NONE: return "no result yet";
	case CHECK_PASS: return "passed";
	case CHECK_FAIL_REFUSED: return "connection refused";
	case CHECK_FAIL_TIMEOUT: return "timeout";
	case CHECK_FAIL_UNREACHABLE: return "unreachable";
	case CHECK_FAIL_RESET: return "connection reset";
	case CHECK_FAIL_CLOSED: return "connection closed before the answer was complete";
	case CHECK_FAIL_STATUS: return "HTTP status";
	case CHECK_FAIL_BODY: return "body does not match";
	case CHECK_FAIL_RESPONSE: return "answer is not HTTP";
	case CHECK_ERROR_LOCAL: return "probe not sent";
	case CHECK_RESULT_COUNT: break;
	}
	return "?";
}

void check_result_text(enum check_result result, int detail, char *text, size_t size)
{
	if (result == CHECK_FAIL_STATUS)
		snprintf(text, size, "%s %d", sentence(result), detail);
	else if ((result == CHECK_FAIL_UNREACHABLE || result == CHECK_ERROR_LOCAL) && detail != 0)
		snprintf(text, size, "%s: %s", sentence(result), strerror(detail < 0 ? -detail : detail));
	else
		snprintf(text, size, "%s", sentence(result));
}
