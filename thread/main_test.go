package thread_test

import (
	"testing"

	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/tcp"
)

func TestMain(m *testing.M) { friotest.Main(m) }
