package conf_test

import (
	"fmt"
	"time"

	"github.com/frio-io/frio/conf"
)

func Example() {
	const text = `
listen radsec {
	protocol = tls+tcp
	tcp {
		port = 2083
		secret = testing123
	}
	limit {
		idle_timeout = 30s
	}
}
`
	root, err := conf.ParseString("frio.conf", text, conf.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	type listen struct {
		Protocol string `conf:"protocol,required"`
		TCP      struct {
			Port   uint16      `conf:"port,port,min=1"`
			Secret conf.Secret `conf:"secret"`
		} `conf:"tcp"`
		Limit struct {
			Idle time.Duration `conf:"idle_timeout,never,min=1s"`
		} `conf:"limit"`
	}
	for _, section := range root.TakeSections("listen") {
		var l listen
		if err := section.Decode(&l); err != nil {
			fmt.Println(err)
		}
		fmt.Println(section.Name2, l.Protocol, l.TCP.Port, l.TCP.Secret, l.Limit.Idle)
	}
	if err := root.Unknown().Err(); err != nil {
		fmt.Println(err)
	}
	// Output: radsec tls+tcp 2083 <hidden> 30s
}

func ExampleSection_Unknown() {
	root, _ := conf.ParseString("frio.conf", "tcp {\n\tipadr = *\n\tport = 70000\n}\n", conf.Options{})
	var all conf.Errors
	tcp, _ := root.TakeSection("tcp")
	var settings struct {
		Addr string `conf:"ipaddr"`
		Port uint16 `conf:"port"`
	}
	if err, ok := tcp.Decode(&settings).(conf.Errors); ok {
		all = append(all, err...)
	}
	all = append(all, root.Unknown()...)
	fmt.Println(all.Sorted())
	// Output:
	// frio.conf:2:2: unknown key `ipadr`, did you mean `ipaddr`?
	// frio.conf:3:9: port: 70000 is above 65535
}
