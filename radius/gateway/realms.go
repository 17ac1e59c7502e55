package gateway

import "bytes"

// Find returns the realm of a User-Name: the one called what stands behind the last delimiter, upper and lower case alike; else the first in the
// file whose regular expression matches the whole name; else, for a name without delimiter, realm NULL; else realm DEFAULT. nil
// is none. end is where the user's part ends: name[:end] is the name without its realm, and that is all of it where there is
// no delimiter. It allocates nothing. Thread: any.
func (s *Realms) Find(name []byte) (realm *Realm, end int) {
	end = bytes.LastIndexAny(name, s.Delimiters)
	none := end < 0
	if none {
		end = len(name)
	} else if realm = s.exact(name[end+1:]); realm != nil {
		return realm, end
	}
	for _, p := range s.Patterns {
		if p.Pattern.Match(name) {
			return p, end
		}
	}
	if none && s.Null != nil {
		return s.Null, end
	}
	return s.Default, end
}

// exact finds a realm by its name.
func (s *Realms) exact(name []byte) *Realm {
	var lower [realmMax]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return s.Exact[string(lower[:len(name)])]
}
