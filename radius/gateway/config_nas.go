package gateway

import "github.com/frio-io/frio/conf"

// nas notes by what a CoA-Request names the client.
func (r *reader) nas(c *Client, k *clientKeys) {
	c.NAS.Addrs = append(k.NASAddrs, k.NASAddrs6...)
	if len(c.NAS.Addrs) == 0 {
		for _, p := range c.Prefixes {
			if p.IsSingleIP() {
				c.NAS.Addrs = append(c.NAS.Addrs, p.Addr())
			}
		}
	}
	c.NAS.Identifier = c.Name
	for _, name := range []string{k.Shortname, k.NASIdentifier} {
		if name != "" {
			c.NAS.Identifier = name
		}
	}
}

// readNAS gathers the clients that have a coa_server by what a packet names them. Of two with one name it is the first in the file.
func (r *reader) readNAS(root *conf.Section) {
	r.cfg.nas = map[any]*Client{}
	for _, cs := range root.Sections("") {
		list := []*conf.Section{cs}
		if cs.Name == "clients" {
			list = cs.Sections("client")
		}
		for _, one := range list {
			if c := r.clients[one]; c != nil && c.CoAPool != nil {
				r.addNAS(c)
			}
		}
	}
}

func (r *reader) addNAS(c *Client) {
	names := []any{c.NAS.Identifier}
	for _, a := range c.NAS.Addrs {
		names = append(names, a)
	}
	warned := false
	for _, name := range names {
		before := r.cfg.nas[name]
		if before == nil {
			r.cfg.nas[name] = c
		} else if before != c && before.CoAServer != c.CoAServer && !warned {
			warned = true
			r.warn(c.At, "client %s: a CoA-Request that names NAS %v goes to coa_server = %s of client %s at %v, not to %s", c.Name, name,
				before.CoAServer, before.Name, before.At, c.CoAServer)
		}
	}
}
