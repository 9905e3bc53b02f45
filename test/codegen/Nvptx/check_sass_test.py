"""check_sass.py on code that is right, and on the same code with one instruction changed."""
import unittest

from check_sass import check, count_products

RIGHT = """
	.section	.text.attend_0,"ax",@progbits
.text.attend_0:
        /*0000*/                   CS2R R24, SRZ ;
        /*0010*/                   WARPGROUP.ARRIVE ;
        /*0020*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], RZ, !UPT ;
        /*0030*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], R24, gsb0 ;
        /*0040*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
.L_x_0:
        /*0050*/                   FMUL R24, R24, R3 ;
        /*0060*/                   F2FP.BF16.F32.PACK_AB R120, R25, R24 ;
        /*0070*/                   HGMMA.64x64x16.F32.BF16 R56, R120, gdesc[UR8].tnspB, R56, gsb0 ;
        /*0080*/                   LDS.64 R4, [R2] ;
        /*0090*/              @!P0 STS.128 [R2], R4 ;
        /*00a0*/                   SHFL.BFLY PT, R6, R4, 0x1, 0x1f ;
        /*00b0*/               @P1 BRA `(.L_x_1) ;
        /*00c0*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
        /*00d0*/                   BRA `(.L_x_0) ;
.L_x_1:
        /*00e0*/                   MOV R8, R4 ;
        /*00f0*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
        /*0100*/                   F2FP.BF16.F32.PACK_AB R120, R57, R56 ;
        /*0110*/                   EXIT ;
"""
WAIT_IN_LOOP = "        /*00c0*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;\n"


class CheckSass(unittest.TestCase):
    def wrong(self, old, new):
        self.assertIn(old, RIGHT)
        return check(RIGHT.replace(old, new))

    def test_products_that_are_waited_for_are_right(self):
        self.assertEqual(check(RIGHT), [])
        self.assertEqual(count_products(RIGHT), 3)

    def test_an_operand_in_flight_may_not_be_written(self):
        for instruction in ("LDS.64 R122", "LDS.128 R118", "LDS R123", "IMAD.WIDE R120", "CS2R R122"):
            with self.subTest(instruction):
                self.assertIn("writes a register", *self.wrong("LDS.64 R4", instruction))
        self.assertIn("writes a register", *self.wrong("SHFL.BFLY PT, R6", "SHFL.BFLY PT, R123"))
        self.assertEqual(self.wrong("LDS.64 R4", "LDS.64 R118"), [])

    def test_a_sum_in_flight_may_be_neither_read_nor_written(self):
        self.assertIn("reads a sum", *self.wrong("STS.128 [R2], R4", "STS.128 [R2], R87"))
        self.assertIn("reads a sum", *self.wrong("STS.128 [R2], R4", "STS.128 [R2], R53"))
        self.assertIn("writes a register", *self.wrong("LDS.64 R4", "LDS R80"))
        self.assertIn("writes a register", *self.wrong("LDS.64 R4", "LDS.64 R55"))

    def test_an_operand_in_flight_may_be_read(self):
        self.assertEqual(self.wrong("STS.128 [R2], R4", "STS.128 [R2], R120"), [])

    def test_groups_are_waited_for_in_order(self):
        self.assertIn("writes a register", self.wrong("/*0040*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0", "/*0040*/                   WARPGROUP.DEPBAR.LE gsb0, 0x1")[0])

    def test_both_ways_of_a_branch_are_followed(self):
        self.assertIn("writes a register", *self.wrong("MOV R8, R4", "MOV R121, R4"))

    def test_products_fly_around_loops(self):
        without_wait = self.wrong(WAIT_IN_LOOP, "")
        self.assertEqual(len(without_wait), 1)
        self.assertIn("attend_0: writes a register of a product in flight: /*0060*/", without_wait[0])


if __name__ == "__main__":
    unittest.main()
