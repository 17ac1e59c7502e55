package transport

import (
	"testing"

	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/friotest"
)

func TestMain(m *testing.M) { friotest.Main(m) }
