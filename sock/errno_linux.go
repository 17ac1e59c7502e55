package sock

import "syscall"

var systemRows = []Row{
	{OpAccept, syscall.ENONET, ClassRetry, "accept(2): an error of the connection that was waiting, not of the listener"},
	{OpConnect, syscall.ENONET, ClassRefused, "this machine has no network towards that address"},
}
