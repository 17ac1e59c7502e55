package sock_test

import (
	"testing"

	"github.com/frio-io/frio/friotest"
)

func TestMain(m *testing.M) { friotest.Main(m) }
