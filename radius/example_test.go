package radius_test

import (
	"fmt"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// A gateway between a client and a home server with secrets of their own.
func Example() {
	client, home := radius.NewKeys([]byte("testing123")), radius.NewKeys([]byte("radsec"))

	b := radius.NewRequest(nil, radius.AccessRequest, 7, [16]byte{1, 2, 3})
	b.AddString(radius.UserName, "bob@example.org")
	b.HidePassword(client, []byte("hello"))
	datagram, _ := b.Seal(client)

	request, err := radius.Parse(datagram)
	if err == nil {
		err = client.CheckRequest(request, true)
	}
	if err != nil {
		fmt.Println(radius.ReasonOf(err), err)
		return
	}
	out, err := radius.AppendRequest(nil, request, client, home, &radius.Forward{
		ID: 42, Authenticator: [16]byte{4, 5, 6}, ProxyState: []byte("ours"), UserName: []byte("bob"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	relayed, _ := radius.Parse(out)
	fmt.Println(relayed.Code(), relayed.ID())
	fmt.Printf("%s", dict.AppendText(nil, relayed))

	b = radius.NewReply(nil, radius.AccessAccept, relayed)
	b.AddString(radius.ReplyMessage, "welcome")
	datagram, _ = b.Seal(home)

	reply, _ := radius.Parse(datagram)
	if err := home.CheckReply(reply, relayed.Authenticator(), true); err != nil {
		fmt.Println(err)
		return
	}
	back, _ := radius.AppendReply(nil, reply, home, client, &radius.Answer{
		Request: request, HomeRequest: relayed.Authenticator(),
	})
	answer, _ := radius.Parse(back)
	fmt.Println(answer.Code(), answer.ID(), client.CheckReply(answer, request.Authenticator(), true))
	fmt.Printf("%s", dict.AppendText(nil, answer))
	// Output:
	// Access-Request 42
	// 	Message-Authenticator = <16 bytes>
	// 	User-Name = "bob"
	// 	User-Password = <16 bytes>
	// 	Proxy-State = 0x6f757273
	// Access-Accept 7 <nil>
	// 	Message-Authenticator = <16 bytes>
	// 	Reply-Message = "welcome"
}
