/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "os/net.h"
#include "os/tls/tls_impl.h"
#include "os/tls_ca.h"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>

#define DAY_SEC        ((int64_t)86400)
#define PEM_MAX        8192
#define NAME_MAX_BYTES 64 /* X.520 upper bound of a common name */

/* Everything a certificate is made of; freed together. */
struct work {
	mbedtls_pk_context key, ca_key;
	mbedtls_x509_crt ca;
	mbedtls_x509write_cert cert;
	mbedtls_x509_san_list sans[OS_CA_NAMES_MAX];
	struct os_addr addrs[OS_CA_NAMES_MAX];
	mbedtls_asn1_sequence usage;
	char pem[PEM_MAX];
};

static struct work *work_new(void)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	mbedtls_pk_init(&w->key);
	mbedtls_pk_init(&w->ca_key);
	mbedtls_x509_crt_init(&w->ca);
	mbedtls_x509write_crt_init(&w->cert);
	mbedtls_x509write_crt_set_version(&w->cert, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&w->cert, MBEDTLS_MD_SHA256);
	return w;
}

static void work_free(struct work *w)
{
	mbedtls_pk_free(&w->key);
	mbedtls_pk_free(&w->ca_key);
	mbedtls_x509_crt_free(&w->ca);
	mbedtls_x509write_crt_free(&w->cert);
	os_wipe(w, sizeof(*w));
	free(w);
}

static int make_key(mbedtls_pk_context *key)
{
	int code = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	return code
		? code
		: mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), tls_rng, NULL);
}

static void time_text(char out[static 16], int64_t unix_sec)
{
	struct os_date d;

	os_date_of(&d, unix_sec);
	snprintf(out, 16, "%04u%02u%02u%02u%02u%02u", (unsigned)d.year % 10000,
		(unsigned)d.month % 100, (unsigned)d.day % 100, (unsigned)d.hour % 100,
		(unsigned)d.min % 100, (unsigned)d.sec % 100);
}

static int set_times(struct work *w, int64_t from, int64_t to)
{
	char not_before[16], not_after[16];

	time_text(not_before, from);
	time_text(not_after, to);
	return mbedtls_x509write_crt_set_validity(&w->cert, not_before, not_after);
}

static int set_serial(struct work *w)
{
	uint8_t serial[16];

	os_random(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and as long as it looks */
	return mbedtls_x509write_crt_set_serial_raw(&w->cert, serial, sizeof(serial));
}

/* Distinguished names are text to mbedTLS ("CN=a,O=b"), so only what needs no quoting passes. */
static int check_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '.' || c == '-' || c == ' ' || c == ':' || c == '*'))
			return err_set(ERR_BAD, "certificate: '%.*s' is not a name",
				STR_ARG(str_sub(name, 0, 100)));
	}
	if (name.n == 0 || name.n > 253)
		return err_set(ERR_BAD, "certificate: a name of %zu bytes", name.n);
	return 0;
}

static int finish(struct str *cert_pem, struct str *key_pem, struct arena *a, struct work *w)
{
	int code = mbedtls_x509write_crt_pem(
		&w->cert, (unsigned char *)w->pem, sizeof(w->pem), tls_rng, NULL);

	if (code < 0)
		return tls_err(code, "certificate");
	*cert_pem = arena_dup(a, str_of(w->pem));
	code = mbedtls_pk_write_key_pem(&w->key, (unsigned char *)w->pem, sizeof(w->pem));
	if (code < 0)
		return tls_err(code, "certificate key");
	*key_pem = arena_dup(a, str_of(w->pem));
	return cert_pem->p && key_pem->p ? 0 : err_set(ERR_LIMIT, "certificate: no room");
}

static int ca_make(struct work *w, struct str name)
{
	char dn[NAME_MAX_BYTES + 4];
	int64_t now = os_wall_sec();
	int code;

	snprintf(dn, sizeof(dn), "CN=%.*s", STR_ARG(str_sub(name, 0, NAME_MAX_BYTES)));
	if ((code = make_key(&w->key)) != 0 ||
		(code = mbedtls_x509write_crt_set_subject_name(&w->cert, dn)) != 0 ||
		(code = mbedtls_x509write_crt_set_issuer_name(&w->cert, dn)) != 0 ||
		(code = set_serial(w)) != 0 ||
		(code = set_times(w, now - 3600, now + 20 * 365 * DAY_SEC)) != 0 ||
		(code = mbedtls_x509write_crt_set_basic_constraints(&w->cert, 1, 0)) != 0 ||
		(code = mbedtls_x509write_crt_set_key_usage(
			 &w->cert, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN)) != 0)
		return code;
	mbedtls_x509write_crt_set_subject_key(&w->cert, &w->key);
	mbedtls_x509write_crt_set_issuer_key(&w->cert, &w->key);
	return mbedtls_x509write_crt_set_subject_key_identifier(&w->cert);
}

int os_ca_make(struct str *cert_pem, struct str *key_pem, struct arena *a, struct str name)
{
	struct work *w;
	int err = tls_init(), code;

	if (err == 0)
		err = check_name(name);
	if (err < 0)
		return err;
	w = work_new();
	if (!w)
		return err_set(ERR_NOMEM, "certificate: no memory");
	code = ca_make(w, name);
	err = code ? tls_err(code, "certificate authority") : finish(cert_pem, key_pem, a, w);
	work_free(w);
	return err;
}

static int set_names(struct work *w, const struct str *names, size_t count)
{
	static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
	int code;

	for (size_t i = 0; i < count; i++) {
		mbedtls_x509_subject_alternative_name *san = &w->sans[i].node;
		struct os_addr *addr = &w->addrs[i];
		bool ip = os_addr_parse(addr, names[i], 0) == 0;
		bool v4 = ip && memcmp(addr->ip, v4_prefix, sizeof(v4_prefix)) == 0;

		san->type = ip ? MBEDTLS_X509_SAN_IP_ADDRESS : MBEDTLS_X509_SAN_DNS_NAME;
		san->san.unstructured_name.p =
			ip ? addr->ip + (v4 ? 12 : 0) : (unsigned char *)(uintptr_t)names[i].p;
		san->san.unstructured_name.len = v4 ? 4 : ip ? 16 : names[i].n;
		w->sans[i].next = i + 1 < count ? &w->sans[i + 1] : NULL;
	}
	code = mbedtls_x509write_crt_set_subject_alternative_name(&w->cert, w->sans);
	if (code)
		return code;
	w->usage.buf =
		(mbedtls_asn1_buf){ MBEDTLS_ASN1_OID, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH),
			(unsigned char *)(uintptr_t)MBEDTLS_OID_SERVER_AUTH };
	return mbedtls_x509write_crt_set_ext_key_usage(&w->cert, &w->usage);
}

static int ca_issue(struct work *w, const struct str *names, size_t count, unsigned days)
{
	char dn[NAME_MAX_BYTES + 4], issuer[512];
	int64_t now = os_wall_sec();
	int code;

	snprintf(dn, sizeof(dn), "CN=%.*s", STR_ARG(str_sub(names[0], 0, NAME_MAX_BYTES)));
	if (mbedtls_x509_dn_gets(issuer, sizeof(issuer), &w->ca.subject) < 0)
		return MBEDTLS_ERR_X509_INVALID_NAME;
	mbedtls_x509write_crt_set_subject_key(&w->cert, &w->key);
	mbedtls_x509write_crt_set_issuer_key(&w->cert, &w->ca_key);
	if ((code = make_key(&w->key)) != 0 ||
		(code = mbedtls_x509write_crt_set_subject_name(&w->cert, dn)) != 0 ||
		(code = mbedtls_x509write_crt_set_issuer_name(&w->cert, issuer)) != 0 ||
		(code = set_serial(w)) != 0 ||
		(code = set_times(w, now - 3600, now - 3600 + days * DAY_SEC)) != 0 ||
		(code = mbedtls_x509write_crt_set_basic_constraints(&w->cert, 0, -1)) != 0 ||
		(code = mbedtls_x509write_crt_set_key_usage(
			 &w->cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE)) != 0 ||
		(code = mbedtls_x509write_crt_set_subject_key_identifier(&w->cert)) != 0 ||
		(code = mbedtls_x509write_crt_set_authority_key_identifier(&w->cert)) != 0)
		return code;
	return set_names(w, names, count);
}

static int parse_ca(struct work *w, struct str ca_pem, struct str ca_key_pem)
{
	char *cert = tls_pem(ca_pem), *key = tls_pem(ca_key_pem);
	int code = MBEDTLS_ERR_X509_ALLOC_FAILED;

	if (cert && key)
		code = mbedtls_x509_crt_parse(&w->ca, (unsigned char *)cert, ca_pem.n + 1);
	if (code == 0)
		code = mbedtls_pk_parse_key(
			&w->ca_key, (unsigned char *)key, ca_key_pem.n + 1, NULL, 0, tls_rng, NULL);
	tls_pem_free(cert);
	tls_pem_free(key);
	if (code != 0)
		return tls_err(
			code < 0 ? code : MBEDTLS_ERR_X509_INVALID_FORMAT, "certificate authority");
	if (mbedtls_pk_check_pair(&w->ca.pk, &w->ca_key, tls_rng, NULL) != 0)
		return err_set(ERR_BAD, "certificate authority: the key is another one's");
	return 0;
}

int os_ca_issue(struct str *cert_pem, struct str *key_pem, struct arena *a, struct str ca_pem,
	struct str ca_key_pem, const struct str *names, size_t name_count, unsigned days)
{
	struct work *w;
	int err = tls_init(), code;

	if (err == 0 && (name_count == 0 || name_count > OS_CA_NAMES_MAX))
		err = err_set(ERR_LIMIT, "certificate: %zu names", name_count);
	if (err == 0 && (days == 0 || days > OS_CA_DAYS_MAX))
		err = err_set(ERR_LIMIT, "certificate: %u days, not 1 to %d", days, OS_CA_DAYS_MAX);
	for (size_t i = 0; err == 0 && i < name_count; i++)
		err = check_name(names[i]);
	if (err < 0)
		return err;
	w = work_new();
	if (!w)
		return err_set(ERR_NOMEM, "certificate: no memory");
	err = parse_ca(w, ca_pem, ca_key_pem);
	if (err == 0) {
		code = ca_issue(w, names, name_count, days);
		err = code ? tls_err(code, "certificate") : finish(cert_pem, key_pem, a, w);
	}
	work_free(w);
	return err;
}

int os_cert_expiry(int64_t *unix_sec, struct str cert_pem)
{
	mbedtls_x509_crt crt;
	int err = tls_init(), code;
	char *z = tls_pem(cert_pem);

	if (err == 0 && !z)
		err = err_set(ERR_NOMEM, "certificate: no memory");
	if (err < 0) {
		tls_pem_free(z);
		return err;
	}
	mbedtls_x509_crt_init(&crt);
	code = mbedtls_x509_crt_parse(&crt, (unsigned char *)z, cert_pem.n + 1);
	if (code == 0) {
		struct os_date d = { .year = crt.valid_to.year,
			.month = crt.valid_to.mon,
			.day = crt.valid_to.day,
			.hour = crt.valid_to.hour,
			.min = crt.valid_to.min,
			.sec = crt.valid_to.sec };
		*unix_sec = os_date_unix(&d);
	}
	mbedtls_x509_crt_free(&crt);
	tls_pem_free(z);
	return code ? tls_err(code < 0 ? code : MBEDTLS_ERR_X509_INVALID_FORMAT, "certificate") : 0;
}
