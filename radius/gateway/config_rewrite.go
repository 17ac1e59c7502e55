package gateway

import "github.com/frio-io/frio/conf"

func (r *reader) readRewrites(root *conf.Section) {}

func (r *reader) key(p *conf.Pair) {}
