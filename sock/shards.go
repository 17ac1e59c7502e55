package sock

import "github.com/frio-io/frio/talloc"

// CanSteer tells whether k is the system's, and that has SteerPackets.
func CanSteer(k Kernel) bool { return k == System && steers }

type shardsKey struct{}

// SetShards has each port below ctx, of a method that can have several sockets on one, have count of them, unless its section says
// otherwise.
func SetShards(ctx *talloc.Context, count int) { ctx.SetValue(shardsKey{}, count) }

// ShardsOf is how many that are at ctx; 1 where nobody has said it.
func ShardsOf(ctx *talloc.Context) int {
	if count, ok := ctx.Value(shardsKey{}).(int); ok {
		return count
	}
	return 1
}
