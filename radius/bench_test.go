package radius

import "testing"

// typical is a PAP request of about 150 bytes with a Message-Authenticator, as a NAS sends it.
func typical(t testing.TB, k *Keys) Packet {
	t.Helper()
	b := NewRequest(nil, AccessRequest, 17, [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	b.AddString(UserName, "somebody@example.org")
	b.HidePassword(k, []byte("correct horse"))
	b.Add(NASIPAddress, []byte{192, 0, 2, 1})
	b.AddUint32(NASPort, 7)
	b.AddString(CallingStationID, "02-00-00-00-00-01")
	b.AddString(CalledStationID, "02-00-00-00-00-02:campus")
	b.AddString(NASIdentifier, "nas7")
	b.AddUint32(ServiceType, 2)
	b.AddString(ProxyState, "17")
	out, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, out)
}

func typicalReply(t testing.TB, k *Keys, request Packet) Packet {
	t.Helper()
	b := NewReply(nil, AccessAccept, request)
	b.AddString(ReplyMessage, "welcome")
	b.AddUint32(SessionTimeout, 3600)
	b.AddString(Class, "0123456789abcdef0123456789abcdef")
	out, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, out)
}

func BenchmarkParse(b *testing.B) {
	p := typical(b, NewKeys([]byte("testing123")))
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAttributes(b *testing.B) {
	p := typical(b, NewKeys([]byte("testing123")))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for a := range p.Attributes() {
			n += len(a.Value)
		}
	}
}

func BenchmarkCheckRequest(b *testing.B) {
	k := NewKeys([]byte("testing123"))
	p := typical(b, k)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := k.CheckRequest(p, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	from, to := NewKeys([]byte("testing123")), NewKeys([]byte("radsec"))
	p := typical(b, from)
	buf := make([]byte, 0, MaxSize)
	f := &Forward{ID: 9, ProxyState: []byte("0123456789ab")}
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendRequest(buf, p, from, to, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckReply(b *testing.B) {
	k := NewKeys([]byte("testing123"))
	p := typical(b, k)
	r := typicalReply(b, k, p)
	b.SetBytes(int64(len(r)))
	b.ReportAllocs()
	for b.Loop() {
		if err := k.CheckReply(r, p.Authenticator(), true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendReply(b *testing.B) {
	from, to := NewKeys([]byte("testing123")), NewKeys([]byte("radsec"))
	p := typical(b, from)
	r := typicalReply(b, from, p)
	buf := make([]byte, 0, MaxSize)
	a := &Answer{Request: p, HomeRequest: p.Authenticator()}
	b.SetBytes(int64(len(r)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendReply(buf, r, from, to, a); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocs: nothing is allocated on the way of a packet.
func TestAllocs(t *testing.T) {
	client, home := NewKeys([]byte("testing123")), NewKeys([]byte("radsec"))
	p := typical(t, client)
	buf, back := make([]byte, 0, MaxSize), make([]byte, 0, MaxSize)
	out, err := AppendRequest(buf, p, client, home, &Forward{ID: 9})
	if err != nil {
		t.Fatal(err)
	}
	b := NewReply(nil, AccessAccept, parse(t, out))
	b.HideKey(home, 16, make([]byte, 32))
	b.HideTunnelPassword(home, 0, []byte("secret"))
	r, err := b.Seal(home)
	if err != nil {
		t.Fatal(err)
	}
	proxyState, request, ttl := []byte("01234567"), out[4:HeaderSize], &TTL{ID: ID{9, 1}, Start: 3}
	if n := testing.AllocsPerRun(100, func() {
		p, err := Parse(p)
		if err != nil {
			t.Error(err)
		}
		if err := client.CheckRequest(p, true); err != nil {
			t.Error(err)
		}
		f := Forward{ID: 9, ProxyState: proxyState, TTL: ttl}
		if _, err := AppendRequest(buf, p, client, home, &f); err != nil {
			t.Error(err)
		}
		if err := home.CheckReply(r, request, true); err != nil {
			t.Error(err)
		}
		a := Answer{Request: p, HomeRequest: request}
		if _, err := AppendReply(back, r, home, client, &a); err != nil {
			t.Error(err)
		}
		p.Essence(seed)
		for a := range p.Attributes() {
			for range a.Subs() {
				t.Error("no vendor here")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
