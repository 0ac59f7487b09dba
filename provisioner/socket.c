/* SPDX-License-Identifier: ISC */
#include "provisioner/socket.h"
#include "provisioner/home.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The folder, opened, gives the socket a short name: /proc/self/fd/N/socket. */
static int open_folder(struct sockaddr_un *out, const char *folder)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/socket", dir);
	return dir;
}

int prov_socket_listen(int *fd, const char *folder)
{
	struct sockaddr_un a;
	int dir = open_folder(&a, folder), err = 0;

	if (dir < 0)
		return prov_errno("cannot open folder", folder);
	unlinkat(dir, "socket", 0);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		fchmodat(dir, "socket", 0600, 0) < 0 || listen(*fd, 16) < 0) {
		err = prov_errno("cannot serve the socket in", folder);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	close(dir);
	return err;
}

int prov_socket_connect(int *fd, const char *folder)
{
	struct sockaddr_un a;
	int dir = open_folder(&a, folder), err = 0;

	if (dir < 0)
		return prov_errno("cannot open folder", folder);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		if (errno == ECONNREFUSED)
			errno = ENOENT;
		err = prov_errno("cannot reach the supervisor's socket in", folder);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	close(dir);
	return err;
}
