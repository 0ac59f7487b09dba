/* SPDX-License-Identifier: ISC */
#include "provisioner/verb.h"

int main(int argc, char **argv)
{
	return prov_main(argc, argv);
}
