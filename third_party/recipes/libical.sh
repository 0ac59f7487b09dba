# Recurrence rules and the times they run over. Left out: parser, components and properties (services/calendar
# has its own), ICU, threads, files and time zones (ours come from tzdata).
ours=(third_party/libical/alone.c)
recipe() {
	local s=scripts d=design-data l=src/libical
	cat >config.h <<-END
		#define HAVE_ENDIAN_H 1
		#define HAVE_GMTIME_R 1
		#define HAVE_LOCALTIME_R 1
		#define HAVE_INTTYPES_H 1
		#define HAVE_STDINT_H 1
		#define HAVE_INTPTR_T 1
		#define HAVE_ISWSPACE 1
		#define HAVE_STDBOOL_H 1
		#define HAVE_SNPRINTF 1
		#define HAVE_STRCASECMP 1
		#define HAVE_STRNCASECMP 1
		#define HAVE_STRDUP 1
		#define HAVE_STRINGS_H 1
		#define HAVE_UNISTD_H 1
		#define SIZEOF_TIME_T 8
		#define SIZEOF_INTPTR_T 8
		#define ICAL_ERRORS_ARE_FATAL 0
		#define ICAL_ALLOW_EMPTY_PROPERTIES 1
		#define PACKAGE_DATA_DIR "/nowhere"
		#define PACKAGE "libical"
		#define HAVE_BYTESWAP_H 1
		#define _unused(x) (void)x
		#define VERSION "3.0"
		#include <stdint.h>
		#include <stdio.h>
		#include <string.h>
		#include <strings.h>
		#include <sys/param.h>
		#include <sys/stat.h>
		#include <unistd.h>
		#include <wctype.h>
	END
	# Headers include what its perl scripts make.
	perl -I$s $s/mkderivedproperties.pl -i $l/icalderivedproperty.h.in -h $d/properties.csv $d/value-types.csv >$l/icalderivedproperty.h
	perl -I$s $s/mkderivedparameters.pl -i $l/icalderivedparameter.h.in -h $d/parameters.csv >$l/icalderivedparameter.h
	perl -I$s $s/mkderivedvalues.pl -i $l/icalderivedvalue.h.in -h $d/value-types.csv >$l/icalderivedvalue.h
	cp "$here/libical/alone.c" $l/icaltimezone.c
	archive ical "-I. -I$l -DHAVE_CONFIG_H -DLIBICAL_ICAL_STATIC_DEFINE" $l/{caldate,icalarray,icalerror,icalmemory,icalrecur,icaltime,icaltimezone}.c
	mkdir libical
	cp $l/{libical_ical_export,icalarray,icaltime,icalrecur}.h libical
	cat >libical/ical.h <<-END
		#include "icaltime.h"
		#include "icalrecur.h"
	END
	headers libical libical/*.h
}
