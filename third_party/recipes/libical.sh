# Without ICU, threads, files and its own time zones: ours come from tzdata. Its tables are made by its perl scripts.
recipe() {
	local s=scripts d=design-data l=src/libical f
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
	cat >"$l/icalversion.h" <<-END
		#ifndef ICAL_VERSION_H
		#define ICAL_VERSION_H
		#define ICAL_PACKAGE "libical"
		#define ICAL_VERSION "3.0"
		#endif
	END
	for f in h c; do
		perl -I$s $s/mkderivedproperties.pl -i $l/icalderivedproperty.$f.in -$f $d/properties.csv $d/value-types.csv >$l/icalderivedproperty.$f
		perl -I$s $s/mkderivedparameters.pl -i $l/icalderivedparameter.$f.in -$f $d/parameters.csv >$l/icalderivedparameter.$f
		perl -I$s $s/mkderivedvalues.pl -i $l/icalderivedvalue.$f.in -$f $d/value-types.csv >$l/icalderivedvalue.$f
	done
	perl -I$s $s/mkrestrictiontable.pl -i $l/icalrestriction.c.in $d/restrictions.csv >$l/icalrestriction.c
	archive ical "-I. -I$l -DHAVE_CONFIG_H -DLIBICAL_ICAL_STATIC_DEFINE" $l/{caldate,icalarray,icalattach,icalcomponent,icalduration,icalenums,icalerror,icalmemory,icalmime,icalparameter,icalderivedparameter,icalparser,icalperiod,icalproperty,icalderivedproperty,icalrecur,icalrestriction,icaltime,icaltimezone,icaltypes,icaltz-util,icalvalue,icalderivedvalue,pvl,sspm}.c
	mkdir libical
	cp $l/*.h libical
	cat >libical/ical.h <<-END
		#include "icalversion.h"
		#include "icaltime.h"
		#include "icalduration.h"
		#include "icalperiod.h"
		#include "icalrecur.h"
		#include "icalcomponent.h"
		#include "icaltimezone.h"
		#include "icalparser.h"
		#include "icalmemory.h"
		#include "icalerror.h"
		#include "icalrestriction.h"
	END
	headers libical libical/*.h
}
