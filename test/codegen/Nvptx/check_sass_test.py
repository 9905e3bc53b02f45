"""check_sass.py on code that is right, and on the same code with one instruction changed."""

import unittest

from check_sass import check

RIGHT = """
 /*0000*/ WARPGROUP.ARRIVE ;
 /*0010*/ HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], RZ, !UPT ;
 /*0020*/ HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], R24, gsb0 ;
 /*0030*/ WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
 /*0040*/ FMUL R24, R24, R3 ;
 /*0050*/ F2FP.BF16.F32.PACK_AB R120, R25, R24 ;
 /*0060*/ HGMMA.64x64x16.F32.BF16 R56, R120, gdesc[UR8].tnspB, R56, gsb0 ;
 /*0070*/ LDS.64 R4, [R2] ;
 /*0080*/ @!P0 STS.128 [R2], R4 ;
 /*0090*/ WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
 /*00a0*/ F2FP.BF16.F32.PACK_AB R120, R57, R56 ;
"""


class CheckSass(unittest.TestCase):
    def wrong(self, old, new):
        self.assertIn(old, RIGHT)
        return list(check(RIGHT.replace(old, new)))

    def test_products_that_are_waited_for_are_right(self):
        self.assertEqual(list(check(RIGHT)), [])

    def test_an_operand_in_flight_may_not_be_written(self):
        self.assertIn("writes a register", self.wrong("LDS.64 R4", "LDS.64 R122")[0])
        self.assertIn("writes a register", self.wrong("LDS.64 R4", "LDS.128 R118")[0])

    def test_a_sum_in_flight_may_be_neither_read_nor_written(self):
        self.assertIn("reads a sum", self.wrong("STS.128 [R2], R4", "STS.128 [R2], R87")[0])
        self.assertIn("writes a register", self.wrong("LDS.64 R4", "LDS R80")[0])

    def test_groups_are_waited_for_in_order(self):
        self.assertEqual(self.wrong("/*0030*/ WARPGROUP.DEPBAR.LE gsb0, 0x0", "/*0030*/ WARPGROUP.DEPBAR.LE gsb0, 0x1")[0].split(":")[0],
                         "writes a register of a product in flight")


if __name__ == "__main__":
    unittest.main()
